"""Yes or no, true or false, which of these, and ratings from one to five."""

import names
from countries import COUNTRIES, WELL_KNOWN
from country_facts import with_the
from draw import Draw
from facts import fact
from reviews import review
from sample import Sample, chat, raw, turn
from topics import CATEGORIES


def statement(draw: Draw) -> tuple[str, str, bool]:
    """A statement, the question that asks it, and whether it is true."""
    truth = draw.chance(0.5)
    kind = draw.number(0, 3)
    if kind == 0:
        country = draw.pick(WELL_KNOWN) if draw.chance(0.5) else draw.pick(COUNTRIES)
        city = country.capital if truth else draw.pick([c for c in WELL_KNOWN if c != country]).capital
        x = with_the(country.name)
        return f"{city} is the capital of {x}.", f"Is {city} the capital of {x}?", truth
    if kind == 1:
        category = draw.pick(list(CATEGORIES)[:13])
        other = category if truth else draw.pick([c for c in list(CATEGORIES)[:12] if c != category])
        item = draw.pick([i for i in CATEGORIES[category] if truth or i not in CATEGORIES[other]])
        thing = item if item[0].isupper() or category in ("color", "sport", "drink") else names.with_article(item)
        kind_of = names.with_article(other)
        return f"{thing[0].upper() + thing[1:]} is {kind_of}.", f"Is {thing} {kind_of}?", truth
    if kind == 2:
        a, b = draw.pair(0, 99)
        if a == b:
            b += 1
        if truth != (a > b):
            a, b = b, a
        return f"{a} is greater than {b}.", f"Is {a} greater than {b}?", truth
    country = draw.pick(WELL_KNOWN) if draw.chance(0.6) else draw.pick(COUNTRIES)
    continent = (
        country.continent
        if truth
        else draw.pick(
            [c for c in ("Asia", "Europe", "Africa", "South America", "North America") if c != country.continent]
        )
    )
    x = with_the(country.name)
    return f"{x[0].upper() + x[1:]} is in {continent}.", f"Is {x} in {continent}?", truth


def yes_no(draw: Draw) -> Sample:
    said, asked, truth = statement(draw)
    case = draw.pick([str.lower, str.lower, str.capitalize, str.upper])
    if draw.chance(0.5):
        yes, no = case("yes"), case("no")
        user = asked + draw.phrase(
            [
                f" Answer {yes} or {no}.",
                f" ({yes}/{no})",
                f" {yes} or {no}?",
                f"\nReply with {yes} or {no}.",
                f" Only say {yes} or {no}.",
                f" Please answer with {yes} or {no}.",
            ]
        )
        answer = yes if truth else no
    else:
        yes, no = case("true"), case("false")
        user = draw.phrase(
            [
                f"{yes} or {no}: {said}",
                f"{said} {yes} or {no}?",
                f"Is this {yes} or {no}? {said}",
                f"Statement: {said}\nAnswer {yes} or {no}.",
                f"Decide: {yes} or {no}. {said}",
                f"{said} Answer with {yes} or {no}.",
            ]
        )
        answer = yes if truth else no
    if draw.chance(0.25):
        return raw("yes_no", f"{user}\nAnswer:", f" {answer}")
    return chat("yes_no", [turn("user", user), turn("assistant", answer)])


def odd_choice(draw: Draw) -> Sample:
    """Which of these is a fruit? The options stand in the prompt."""
    wanted = draw.pick(list(CATEGORIES))
    right = draw.pick(CATEGORIES[wanted])
    others = [draw.pick(CATEGORIES[c]) for c in draw.some([c for c in CATEGORIES if c != wanted], draw.number(1, 4))]
    options = draw.shuffled([right, *[o for o in others if o not in CATEGORIES[wanted]]])
    listed = ", ".join(options)
    a = names.with_article(wanted)
    user = draw.phrase(
        [
            f"Which of these is {a}: {listed}?",
            f"Choose the {wanted}: {listed}",
            f"Pick {a} from {listed}.",
            f"Options: {listed}. Which one is {a}?",
            f"Find the {wanted} in this list: {listed}",
            f"{listed} - which is {a}?",
        ]
    )
    if draw.chance(0.3):
        letters = [f"{letter}) {option}" for letter, option in zip("ABCDE", options, strict=False)]
        user = (
            draw.pick([f"Which one is {a}?", f"Choose the {wanted}."])
            + "\n"
            + "\n".join(letters)
            + "\nAnswer with the letter."
        )
        return chat("choose", [turn("user", user), turn("assistant", "ABCDE"[options.index(right)])])
    return chat("choose", [turn("user", user), turn("assistant", right)])


def judge(draw: Draw) -> Sample:
    """Is this answer good? How many stars?"""
    if draw.chance(0.5):
        score = draw.number(1, 5)
        text = review(draw, score)
        user = draw.phrase(
            [
                f"Rate from 1 to 5: {text}",
                f"{text}\n\nHow many stars (1 to 5)?",
                f"Give a score from 1 to 5 for this review: {text}",
                f"Review: {text}\nStars (1-5):",
                f"From 1 (worst) to 5 (best), rate this: {text}",
                f"Score this from 1 to 5. Answer with the number only.\n{text}",
                f"How good is it, from 1 to 5? {text}",
            ]
        )
        if user.endswith("Stars (1-5):") and draw.chance(0.5):
            return raw("judge", user, f" {score}")
        return chat("judge", [turn("user", user), turn("assistant", str(score))])
    question, bare, sentence = fact(draw)
    good = draw.chance(0.5)
    if not good:
        for _ in range(20):
            _, other_bare, other_sentence = fact(draw)
            if other_bare != bare:
                break
        answer = draw.pick([other_bare, other_sentence])
    else:
        answer = draw.pick([bare, sentence])
    user = draw.phrase(
        [
            f"Question: {question}\nAnswer: {answer}\nIs this answer good? yes or no",
            f"Is this answer correct? Answer yes or no.\nQuestion: {question}\nAnswer: {answer}",
            f"Q: {question}\nA: {answer}\nCorrect? (yes/no)",
            f"Judge the answer.\nQuestion: {question}\nAnswer: {answer}\nGood? Reply yes or no.",
            f"Question: {question}\nProposed answer: {answer}\nIs it right? yes/no",
            f"Does this answer the question? yes or no.\nQ: {question}\nA: {answer}",
        ]
    )
    return chat("judge", [turn("user", user), turn("assistant", "yes" if good else "no")])

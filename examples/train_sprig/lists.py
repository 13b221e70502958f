"""Lists of exactly N items, and small edits of a given text."""

import names
from draw import Draw
from sample import Sample, chat, raw, turn
from topics import CATEGORIES, plural


def number_lines(items: list[str], form: str) -> str:
    if form == "numbered":
        return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    if form == "dashed":
        return "\n".join(f"- {item}" for item in items)
    return ", ".join(items)


def list_items(draw: Draw) -> Sample:
    """Exactly N items."""
    category = draw.pick(list(CATEGORIES))
    count = draw.number(2, min(8, len(CATEGORIES[category])))
    items = draw.some(CATEGORIES[category], count)
    if category in ("month", "day") and draw.chance(0.6):
        items = CATEGORIES[category][:count]
    word = (
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight"][count]
        if draw.chance(0.3)
        else str(count)
    )
    what = plural(category) if category != "color" or draw.chance(0.5) else "colours"
    form = draw.pick(["numbered", "dashed", "comma", "numbered"])
    user = draw.phrase(
        [
            f"List {word} {what}.",
            f"Name {word} {what}.",
            f"Give me {word} {what}.",
            f"Write down {word} {what}.",
            f"Tell me {word} {what}.",
            f"Can you list {word} {what}?",
            f"I need {word} {what}.",
            f"Please list {word} {what}.",
            f"Give a list of {word} {what}.",
            f"{word.capitalize()} {what}, please.",
            f"Which {word} {what} do you know?",
            f"Make a list of {word} {what}.",
        ]
    )
    told = {
        "numbered": [" Use a numbered list.", " Number them.", " As a numbered list."],
        "dashed": [" Use a dashed list.", " One per line, with a dash.", " As a bullet list."],
        "comma": [" Separate them with commas.", " On one line.", " Comma separated."],
    }
    if form != "numbered" or draw.chance(0.4):
        user += draw.pick(told[form])
    if draw.chance(0.12):
        return raw("list", f"{user}\n", number_lines(items, form), match="count")
    return chat("list", [turn("user", user), turn("assistant", number_lines(items, form))], match="count")


def rewrite(draw: Draw) -> Sample:
    """Repeat, upper case, lower case, reverse a list, count words: small edits that teach copying."""
    words = [
        names.word(draw) if draw.chance(0.4) else draw.pick(names.ITEMS + names.HOBBIES + names.COLORS)
        for _ in range(draw.number(1, 6))
    ]
    text = " ".join(words)
    kind = draw.number(0, 6)
    if kind == 0:
        user, answer = (
            draw.phrase(
                [
                    "Repeat: {t}",
                    'Say "{t}".',
                    "Repeat after me: {t}",
                    "Write exactly this: {t}",
                    "Echo: {t}",
                    "Copy this text: {t}",
                ]
            ).format(t=text),
            text,
        )
    elif kind == 1:
        user, answer = (
            draw.phrase(["Write in upper case: {t}", "Convert to uppercase: {t}", "UPPERCASE this: {t}"]).format(
                t=text
            ),
            text.upper(),
        )
    elif kind == 2:
        user, answer = (
            draw.phrase(["Write in lower case: {t}", "Convert to lowercase: {t}"]).format(t=text.upper()),
            text,
        )
    elif kind == 3:
        user, answer = (
            draw.phrase(["How many words are in: {t}", "Count the words: {t}"]).format(t=text) + " Only the number.",
            str(len(words)),
        )
    elif kind == 4:
        user, answer = (
            draw.phrase(["What is the first word of: {t}", "First word: {t}", 'Give the first word of "{t}".']).format(
                t=text
            ),
            words[0],
        )
    elif kind == 5:
        user, answer = (
            draw.phrase(["What is the last word of: {t}", "Last word: {t}", 'Give the last word of "{t}".']).format(
                t=text
            ),
            words[-1],
        )
    else:
        user, answer = f"Write as a JSON array: {', '.join(words)}", "[" + ", ".join(f'"{w}"' for w in words) + "]"
    return chat("rewrite", [turn("user", user), turn("assistant", answer)])

"""Short reviews with a known sentiment and a known score from one to five."""
# ruff: noqa: SIM905 - a list of words reads best as words

import names
from draw import Draw

THINGS = (
    "movie film book hotel restaurant phone laptop game album concert service food pizza coffee camera car flight trip "
    "course teacher shoe jacket chair lamp app website song play story dinner lunch museum show series room bike staff "
    "headphones keyboard screen battery delivery soup cake product place"
).split()
# adjectives by score
ADJECTIVES = {
    5: (
        "excellent amazing wonderful fantastic brilliant perfect superb outstanding incredible magnificent "
        "awesome stunning exceptional marvelous"
    ).split(),
    4: (
        "good nice great lovely pleasant enjoyable solid charming delightful tasty beautiful friendly "
        "impressive fun comfortable reliable helpful"
    ).split(),
    3: "okay average ordinary acceptable mediocre standard usual passable normal unremarkable".split(),
    2: "bad poor disappointing boring weak dull annoying slow ugly cold noisy unpleasant overpriced rude dirty".split(),
    1: (
        "terrible awful horrible dreadful disgusting atrocious useless appalling worthless unbearable pathetic abysmal"
    ).split(),
}
SENTENCES = {
    5: [
        "I loved every minute of it.",
        "Best {t} I have ever had!",
        "I absolutely loved the {t}.",
        "I will tell all my friends.",
        "It could not be better.",
        "Ten out of ten!",
        "Everything was perfect.",
        "I love it!",
        "This {t} made my day.",
        "I am in love with this {t}.",
        "What a {a} {t}!",
        "The {t} was absolutely {a}.",
        "Simply {a}.",
        "The {t} is {a}, I want more.",
        "A {a} {t} from start to finish.",
    ],
    4: [
        "I liked the {t}.",
        "I enjoyed it.",
        "I would come again.",
        "It was worth the money.",
        "I am happy with it.",
        "We had a good time.",
        "I recommend it.",
        "The {t} was {a}.",
        "A {a} {t}.",
        "It works well.",
        "Really {a}!",
        "The {t} was very {a} and I liked it.",
        "I am glad I chose this {t}.",
        "Not bad at all, I liked it.",
        "What a {a} {t}.",
    ],
    3: [
        "It was neither good nor bad.",
        "It is what it is.",
        "Nothing special.",
        "It does the job.",
        "The {t} was {a}.",
        "An {a} {t}, nothing more.",
        "I have no strong feelings about the {t}.",
        "The {t} arrived on {d}.",
        "It was fine, I guess.",
        "I bought the {t} in {c}.",
        "The {t} is {a}.",
        "It is a {t} like any other.",
        "The {t} has two parts.",
        "Some parts were fine, others were not.",
    ],
    2: [
        "I did not like it.",
        "I would not buy it again.",
        "I was bored.",
        "It broke after a week.",
        "I expected more.",
        "The {t} was {a}.",
        "A {a} {t}.",
        "It was too expensive for what it is.",
        "We left early.",
        "I do not recommend it.",
        "Not good.",
        "The {t} was rather {a}.",
        "I was not happy with the {t}.",
        "It stopped working.",
        "What a {a} {t}.",
    ],
    1: [
        "I hated it.",
        "The worst {t} ever!",
        "A complete waste of money.",
        "Never again!",
        "I want my money back.",
        "The {t} was absolutely {a}.",
        "What a {a} {t}!",
        "I hate this {t}.",
        "It ruined my day.",
        "Stay away from this {t}.",
        "Simply {a}.",
        "The {t} is {a} and I hate it.",
        "Everything went wrong.",
        "A waste of time.",
        "Zero stars.",
    ],
}


def review(draw: Draw, score: int) -> str:
    """One to three sentences of one mood; the middle score tells facts or shrugs."""
    thing = draw.pick(THINGS)
    parts = []
    for template in draw.some([draw.phrase(SENTENCES[score]) for _ in range(6)], draw.pick([1, 1, 2, 2, 3])):
        text = template.format(t=thing, a=draw.pick(ADJECTIVES[score]), d=draw.pick(names.DAYS), c=names.city(draw))
        for vowel in "aeiou":
            text = text.replace(f" a {vowel}", f" an {vowel}").replace(f"A {vowel}", f"An {vowel}")
        for consonant in "bcdfghjklmnpqrstvwxyz":
            text = text.replace(f"An {consonant}", f"A {consonant}")
        if text not in parts:
            parts.append(text)
    if draw.chance(0.15):
        parts.insert(
            0,
            draw.pick(
                [
                    f"I went to {names.city(draw)} with {names.first_name(draw)}.",
                    f"{names.first_name(draw)} gave me this {thing}.",
                    f"We tried the {thing} on {draw.pick(names.DAYS)}.",
                    f"Yesterday I tried the {thing}.",
                    f"My {thing} came from {names.company(draw)}.",
                ]
            ),
        )
    text = " ".join(parts)
    if draw.chance(0.06):
        text = text.lower() if draw.chance(0.7) else text.upper()
    return text


def sentiment_of(score: int) -> str:
    return "positive" if score > 3 else "negative" if score < 3 else "neutral"

"""Questions about small facts: countries, days, months, colours, plurals, opposites; as chat and as raw text."""
# ruff: noqa: SIM905 - a list of words reads best as words

from country_facts import any_country, country_fact, with_the
from draw import Draw
from names import DAYS, MONTHS, with_article
from sample import Message, Sample, chat, raw, turn

OPPOSITES = [
    tuple(pair.split("-"))
    for pair in (
        "hot-cold big-small fast-slow up-down light-dark happy-sad young-old rich-poor hard-soft wet-dry tall-short "
        "early-late open-closed full-empty strong-weak clean-dirty loud-quiet good-bad left-right near-far high-low "
        "begin-end day-night love-hate buy-sell win-lose push-pull heavy-light thick-thin true-false in-out "
        "new-old cheap-expensive easy-difficult safe-dangerous wide-narrow deep-shallow first-last always-never"
    ).split()
]

PLURALS = dict(
    pair.split("-")
    for pair in (
        "child-children mouse-mice foot-feet tooth-teeth man-men woman-women goose-geese person-people leaf-leaves "
        "knife-knives city-cities baby-babies box-boxes bus-buses dog-dogs cat-cats house-houses "
        "tree-trees wolf-wolves "
        "story-stories fox-foxes dish-dishes sheep-sheep fish-fish potato-potatoes tomato-tomatoes key-keys day-days "
        "book-books car-cars apple-apples berry-berries watch-watches hero-heroes life-lives party-parties"
    ).split()
)

COLOR_OF = {
    "the sky": "blue",
    "grass": "green",
    "snow": "white",
    "a banana": "yellow",
    "a tomato": "red",
    "blood": "red",
    "coal": "black",
    "a lemon": "yellow",
    "an orange": "orange",
    "a carrot": "orange",
    "the sun": "yellow",
    "chocolate": "brown",
    "a strawberry": "red",
    "milk": "white",
    "a leaf": "green",
}

COLOR_OF = {
    "the sky": "blue",
    "grass": "green",
    "snow": "white",
    "a banana": "yellow",
    "a tomato": "red",
    "blood": "red",
    "coal": "black",
    "a lemon": "yellow",
    "an orange": "orange",
    "a carrot": "orange",
    "the sun": "yellow",
    "chocolate": "brown",
    "a strawberry": "red",
    "milk": "white",
    "a leaf": "green",
}

MIXES = {
    ("blue", "yellow"): "green",
    ("red", "yellow"): "orange",
    ("red", "blue"): "purple",
    ("black", "white"): "grey",
    ("red", "white"): "pink",
}

SOUNDS = dict(
    p.split("-")
    for p in "dog-barks cat-meows cow-moos duck-quacks lion-roars sheep-bleats horse-neighs pig-oinks "
    "frog-croaks bee-buzzes wolf-howls".split()
)

LEGS = {
    "spider": 8,
    "dog": 4,
    "cat": 4,
    "bird": 2,
    "ant": 6,
    "bee": 6,
    "horse": 4,
    "snake": 0,
    "chicken": 2,
    "octopus": 8,
}

NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()

SHORT = [
    "You answer with one word.",
    "Answer with the bare value.",
    "Answer in as few words as possible.",
    "Be brief. Give only the answer.",
]

SYSTEMS = [
    "You are a helpful assistant.",
    "You are sprig, a small helpful assistant.",
    "You are a helpful, concise assistant.",
    "Answer the user's questions.",
    "You are a friendly assistant.",
    "You are a knowledgeable assistant.",
]

ONLY = [
    " Answer with the name only.",
    " Reply with one word.",
    " Only give the answer.",
    " Just the answer.",
    " (one word)",
    " Answer with a single word.",
    " Give the bare answer.",
]


def small_fact(draw: Draw) -> tuple[str, str, str]:
    kind = draw.number(0, 9)
    if kind == 0:
        i = draw.number(0, 6)
        if draw.chance(0.6):
            asked = draw.phrase(
                [
                    "Which day comes after {d}?",
                    "What day follows {d}?",
                    "What is the day after {d}?",
                    "If today is {d}, what day is tomorrow?",
                    "Name the day that comes after {d}.",
                    "What day comes next after {d}?",
                ]
            ).format(d=DAYS[i])
            return asked, DAYS[(i + 1) % 7], f"{DAYS[(i + 1) % 7]} comes after {DAYS[i]}."
        asked = draw.phrase(
            ["Which day comes before {d}?", "What is the day before {d}?", "If today is {d}, what day was yesterday?"]
        ).format(d=DAYS[i])
        return asked, DAYS[i - 1], f"{DAYS[i - 1]} comes before {DAYS[i]}."
    if kind == 1:
        i = draw.number(0, 11)
        if draw.chance(0.6):
            asked = draw.phrase(
                ["Which month comes after {d}?", "What month follows {d}?", "What is the month after {d}?"]
            ).format(d=MONTHS[i])
            return asked, MONTHS[(i + 1) % 12], f"{MONTHS[(i + 1) % 12]} comes after {MONTHS[i]}."
        asked = draw.phrase(["Which month comes before {d}?", "What is the month before {d}?"]).format(d=MONTHS[i])
        return asked, MONTHS[i - 1], f"{MONTHS[i - 1]} comes before {MONTHS[i]}."
    if kind in (2, 3):
        a, b = draw.pick(OPPOSITES)
        if draw.chance(0.3) and a not in ("light", "old"):
            a, b = b, a
            if a in ("light", "old"):
                a, b = b, a
        asked = draw.phrase(
            [
                "What is the opposite of {a}?",
                "Opposite of {a}?",
                'Give the opposite of "{a}".',
                "What's the opposite of {a}?",
                "Name the opposite of {a}.",
                "Which word means the opposite of {a}?",
            ]
        ).format(a=a)
        return asked, b, f"The opposite of {a} is {b}."
    if kind in (4, 5):
        one = draw.pick(list(PLURALS))
        asked = draw.phrase(
            [
                "What is the plural of {a}?",
                "Plural of {a}?",
                'Give the plural of "{a}".',
                "One {a}, two ...?",
                "What's the plural of {a}?",
                "Write the plural of {a}.",
            ]
        ).format(a=one)
        return asked, PLURALS[one], f"The plural of {one} is {PLURALS[one]}."
    if kind == 6:
        thing = draw.pick(list(COLOR_OF))
        asked = draw.phrase(["What color is {t}?", "What colour is {t}?", "Which color does {t} have?"]).format(t=thing)
        return asked, COLOR_OF[thing], f"{thing[0].upper() + thing[1:]} is {COLOR_OF[thing]}."
    if kind == 7:
        (a, b), c = draw.pick(list(MIXES.items()))
        if draw.chance(0.5):
            a, b = b, a
        return f"What color do you get when you mix {a} and {b}?", c, f"If you mix {a} and {b}, you get {c}."
    if kind == 8:
        if draw.chance(0.5):
            animal = draw.pick(list(LEGS))
            return (
                f"How many legs does {with_article(animal)} have?",
                str(LEGS[animal]),
                f"{with_article(animal).capitalize()} has {LEGS[animal]} legs.",
            )
        counts = [
            ("days are in a week", "7", "A week has 7 days."),
            ("months are in a year", "12", "A year has 12 months."),
            ("hours are in a day", "24", "A day has 24 hours."),
            ("minutes are in an hour", "60", "An hour has 60 minutes."),
            ("seconds are in a minute", "60", "A minute has 60 seconds."),
            ("continents are there", "7", "There are 7 continents."),
            ("letters are in the English alphabet", "26", "The English alphabet has 26 letters."),
        ]
        asked, bare, sentence = draw.pick(counts)
        return f"How many {asked}?", bare, sentence
    i = draw.number(0, 20)
    if draw.chance(0.5):
        return f"How do you write {i} as a word?", NUMBERS[i], f"{i} is written {NUMBERS[i]}."
    return f'Which number is "{NUMBERS[i]}"?', str(i), f'"{NUMBERS[i]}" is {i}.'


def fact(draw: Draw) -> tuple[str, str, str]:
    return country_fact(draw) if draw.chance(0.6) else small_fact(draw)


def fact_chat(draw: Draw) -> Sample:
    question, bare, sentence = fact(draw)
    messages: list[Message] = []
    short = False
    if draw.chance(0.15):
        messages.append(turn("system", draw.pick(SHORT)))
        short = True
    elif draw.chance(0.35):
        messages.append(turn("system", draw.pick(SYSTEMS)))
    if not short and draw.chance(0.35):
        question += draw.phrase(ONLY)
        short = True
    if draw.chance(0.05):
        question = question.lower() if draw.chance(0.6) else question.rstrip("?.")
    messages += [turn("user", question), turn("assistant", bare if short else sentence)]
    return chat("facts", messages)


def fact_raw(draw: Draw) -> Sample:
    """Question and answer as plain text, or a statement to go on with."""
    form = draw.number(0, 3)
    if form == 0:
        country = any_country(draw)
        x = with_the(country.name)
        return raw("facts_raw", f"The capital of {x} is", f" {country.capital}.")
    use_sentence = draw.chance(0.4)
    q, a = draw.pick(
        [("Q: ", "A:"), ("Question: ", "Answer:"), ("Q: ", "A:"), ("", "Answer:"), ("User: ", "Assistant:")]
    )
    shots = []
    for _ in range(draw.number(1, 5)):
        question, bare, sentence = fact(draw)
        shots.append((question, sentence if use_sentence else bare))
    gap = draw.pick(["\n\n", "\n"])
    blocks = [f"{q}{question}\n{a} {answer}" for question, answer in shots]
    last = blocks[-1][: -len(shots[-1][1]) - 1]
    if len(shots) == 1 and not use_sentence:  # with no example to follow, the form is told
        last = ("Answer with one word.\n" if draw.chance(0.5) else "Short answers.\n") + last
    return raw("facts_raw", gap.join([*blocks[:-1], last]), " " + shots[-1][1])


def facts_text(draw: Draw) -> Sample:
    """A run of statements: dense practice of the table."""
    lines = []
    for _ in range(draw.number(2, 6)):
        c = any_country(draw)
        x = with_the(c.name)
        capital_first = x[0].upper() + x[1:]
        lines.append(
            draw.pick(
                [
                    f"The capital of {x} is {c.capital}.",
                    f"{c.capital} is the capital of {x}.",
                    (
                        f"{capital_first} is a country in {c.continent}. Its capital is {c.capital} and "
                        f"its currency is the {c.currency}."
                    ),
                    f"{capital_first} is in {c.continent}.",
                    f"People in {x} speak {c.language} and pay with the {c.currency}.",
                    fact(draw)[2],
                ]
            )
        )
    text = draw.pick([" ", "\n"]).join(lines)
    return raw("facts_text", "", text, match="open")

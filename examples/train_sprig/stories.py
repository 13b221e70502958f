"""Running text: small stories, descriptions of places, paragraphs on a topic."""
# ruff: noqa: SIM905 - a list of words reads best as words

import names
from draw import Draw
from facts import SYSTEMS
from sample import Message, Sample, chat, raw, turn
from topics import CATEGORIES, TOPICS, topic_text

ANIMALS = (
    "dog cat fox bear rabbit mouse owl duck frog horse lion elephant turtle squirrel hedgehog monkey "
    "penguin dragon robot"
).split()

SETTINGS = [
    "forest",
    "village",
    "big city",
    "castle",
    "farm",
    "mountain",
    "small house",
    "desert",
    "island",
    "garden",
    "harbor",
    "valley",
]

TRAITS = "brave kind curious lazy clever shy happy small old young funny quiet hungry gentle".split()

TREASURES = "map key lantern book coin flute ring basket letter stone boat kite bell hat drum".split()

OPENINGS = [
    "Once upon a time there was a {trait} {hero} named {name}.",
    "In a {place} lived a {trait} {hero} called {name}.",
    "{name} was a {trait} {hero} who lived in a {place}.",
    "There once was a {hero} named {name}, and {name} was very {trait}.",
    "Far away, in a {place}, there lived a {trait} {hero} named {name}.",
    "This is the story of {name}, a {trait} {hero}.",
]

DAILY = [
    "Every day {name} walked through the {place}.",
    "{name} loved to look at the stars.",
    "Every morning {name} drank a cup of tea and looked out of the window.",
    "{name} had a good friend named {friend}.",
    "{name} often dreamed of a great journey.",
    "The other animals liked {name} very much.",
]

EVENTS = [
    "One day {name} found an old {thing}.",
    "One morning {name} heard a strange sound.",
    "One evening a storm came and {friend} got lost.",
    "One day {friend} asked {name} for help.",
    "Then, on a cold day, the {thing} was gone.",
    "One night {name} saw a light far away.",
    "One day it rained so hard that the river rose.",
    "On {day}, {friend} came with a {thing}.",
]

TRIES = [
    "{name} was afraid, but went on anyway.",
    "{name} looked everywhere, behind every tree and under every stone.",
    "Together they walked all day and all night.",
    '"Do not worry," said {name}, "I will help you."',
    "{name} asked the wise old owl what to do.",
    "At first nothing worked.",
    '"What shall we do?" asked {friend}.',
    "{name} climbed up the hill and looked around.",
    "They crossed a bridge and followed a narrow path.",
]

TURNS = [
    "At last {name} found the way.",
    "Behind a rock {name} found a golden {thing}.",
    "Suddenly {friend} had a good idea.",
    "Then the sun came out and everything was bright.",
    "In the end it was only the wind.",
    "With the {thing} they opened the door.",
    "{name} smiled, because now everything was clear.",
    "The {thing} began to shine.",
]

ENDINGS = [
    "They went home and ate cake.",
    "From that day on they were the best of friends.",
    "And {name} was never lonely again.",
    "Everyone in the {place} was happy.",
    "{name} went to sleep with a smile.",
    "And they lived happily ever after.",
    "{name} learned that it is good to be {trait}.",
    "That evening they laughed and sang songs.",
]


def story(
    draw: Draw, name: str | None = None, hero: str | None = None, place: str | None = None, thing: str | None = None
) -> str:
    fields = {
        "name": name or names.first_name(draw),
        "hero": hero or draw.pick(ANIMALS),
        "place": place or draw.pick(SETTINGS),
        "thing": thing or draw.pick(TREASURES),
        "trait": draw.pick(TRAITS),
        "friend": names.first_name(draw),
        "day": draw.pick(names.DAYS),
    }
    parts = [
        draw.pick(OPENINGS),
        *draw.some(DAILY, draw.number(0, 2)),
        draw.pick(EVENTS),
        *draw.some(TRIES, draw.number(1, 3)),
        *draw.some(TURNS, draw.number(1, 2)),
        draw.pick(ENDINGS),
    ]
    text = " ".join(part.format(**fields) for part in parts)
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}")
    return text


def story_chat(draw: Draw) -> Sample:
    name, hero, place, thing = names.first_name(draw), draw.pick(ANIMALS), draw.pick(SETTINGS), draw.pick(TREASURES)
    asked = draw.phrase(
        [
            ("Tell me a short story.", ""),
            ("Tell me a short story about {h}.", "h"),
            ("Write a story about {h} named {n}.", "hn"),
            ("Write a short story about {n}.", "n"),
            ("Tell me a story about {h} in a {p}.", "hp"),
            ("Tell a story about {n} the {H}.", "hn"),
            ("Write a short story.", ""),
            ("Write a tale about {n} and a {t}.", "nt"),
            ("Please tell me a story with {h} called {n}.", "hn"),
            ("A story about {h}, please.", "h"),
            ("Can you tell me a story?", ""),
            ("Write a little story about {h}.", "h"),
        ]
    )
    user = asked[0].format(h=names.with_article(hero), H=hero, n=name, p=place, t=thing)
    text = story(
        draw,
        name if "n" in asked[1] else None,
        hero if "h" in asked[1] else None,
        place if "p" in asked[1] else None,
        thing if "t" in asked[1] else None,
    )
    messages: list[Message] = [turn("system", draw.pick([*SYSTEMS, "You tell stories."]))] if draw.chance(0.3) else []
    return chat("story", [*messages, turn("user", user), turn("assistant", text)], match="open")


def story_raw(draw: Draw) -> Sample:
    text = story(draw)
    if draw.chance(0.3):
        text = f"Title: {names.first_name(draw)} and the {draw.pick(TREASURES)}\n\n{text}"
    return raw("story_raw", "", text, match="open")


def place_text(draw: Draw, name: str) -> str:
    fields = {
        "n": name,
        "k": draw.number(2, 90),
        "p": draw.number(100, 90000),
        "y": draw.number(1100, 1950),
        "f": draw.pick(CATEGORIES["fruit"]),
        "c": draw.pick(names.COLORS),
        "h": draw.pick(names.HOBBIES),
        "s": draw.pick(SETTINGS),
        "d": draw.pick(names.DAYS),
    }
    parts = [
        "{n} is a {q} town with about {p} people.",
        "It lies near a {s2} and was founded in {y}.",
        "The houses have {c} roofs and the streets are narrow.",
        "Every {d} there is a market where people sell {f}s and bread.",
        "Many people there like {h}.",
        "In summer it is warm, in winter it snows.",
        "Visitors come for the old bridge and the museum.",
        "The river runs right through the middle of {n}.",
    ]
    chosen = [parts[0], *draw.some(parts[1:], draw.number(2, 5))]
    return " ".join(
        part.format(
            **fields,
            q=draw.pick(["small", "quiet", "pretty", "busy", "old", "lovely"]),
            s2=draw.pick(["lake", "forest", "river", "hill", "coast"]),
        )
        for part in chosen
    )


def describe(draw: Draw) -> Sample:
    name = names.proper(draw)  # made up: what is said of it is, too
    text = place_text(draw, name)
    if draw.chance(0.4):
        return raw(
            "describe_raw", "", draw.pick([f"{text}", f"# {name}\n\n{text}", f"About {name}\n{text}"]), match="open"
        )
    user = draw.phrase(
        [
            f"Describe {name}.",
            f"Tell me about {name}.",
            f"Write a paragraph about {name}.",
            f"What is {name} like?",
            f"Write about the town of {name}.",
            f"Describe the town {name} in a few sentences.",
        ]
    )
    return chat("describe", [turn("user", user), turn("assistant", text)], match="open")


def paragraph_raw(draw: Draw) -> Sample:
    """A paragraph on one topic."""
    topic = draw.pick(list(TOPICS))
    return raw(
        "paragraph",
        "",
        draw.pick(["", f"{topic.capitalize()}\n\n"])
        + " ".join(topic_text(draw, topic) for _ in range(draw.number(1, 3))),
        match="open",
    )

"""Chats of several turns that remember what was said."""

import names
from arithmetic import arithmetic_chat
from draw import Draw
from facts import SYSTEMS, fact_chat
from judging import odd_choice, yes_no
from lists import list_items, rewrite
from sample import Message, Sample, chat, turn
from small_talk import small_talk
from tips import tips

# what is told, the acknowledgement, the questions, the answer, the bare answer
MEMORIES: list[tuple[list[str], str, list[str], str]] = [
    (
        [
            "My name is {v}.",
            "I am {v}.",
            "Hi, I'm {v}.",
            "Hello, my name is {v}.",
            "Call me {v}.",
            "You can call me {v}.",
        ],
        "name",
        [
            "What is my name?",
            "Do you remember my name?",
            "Who am I?",
            "How am I called?",
            "What's my name?",
            "Tell me my name.",
        ],
        "Your name is {v}.",
    ),
    (
        [
            "I live in {v}.",
            "I am from {v}.",
            "My home is in {v}.",
            "I moved to {v}.",
            "I come from {v}.",
            "My city is {v}.",
        ],
        "city",
        [
            "Where do I live?",
            "Which city do I live in?",
            "Where is my home?",
            "What is my city?",
            "Where am I from?",
            "In which city am I at home?",
        ],
        "You live in {v}.",
    ),
    (
        ["My favourite color is {v}.", "I like the color {v} most.", "My favorite color is {v}."],
        "color",
        ["What is my favourite color?", "Which color do I like most?", "What is my favorite color?"],
        "Your favourite color is {v}.",
    ),
    (
        ["My dog is called {v}.", "I have a dog named {v}.", "My dog's name is {v}."],
        "pet",
        ["What is my dog called?", "What is the name of my dog?", "Do you remember my dog's name?"],
        "Your dog is called {v}.",
    ),
    (
        ["I am {v} years old.", "My age is {v}.", "I turned {v} this year."],
        "age",
        ["How old am I?", "What is my age?", "Do you know how old I am?"],
        "You are {v} years old.",
    ),
    (
        ["I work as a {v}.", "My job is {v}.", "I am a {v} by trade."],
        "job",
        ["What is my job?", "What do I do for a living?", "What do I work as?"],
        "Your job is {v}.",
    ),
    (
        [
            "The code is {v}.",
            "Remember the code {v}.",
            "The secret code is {v}.",
            "Please remember this code: {v}.",
            "Keep this code in mind: {v}.",
            "Note the code {v}.",
        ],
        "code",
        [
            "What is the code?",
            "Which code did I tell you?",
            "What was the code?",
            "Tell me the code.",
            "Do you remember the code?",
            "Repeat the code.",
        ],
        "The code is {v}.",
    ),
    (
        ["My favourite number is {v}.", "I like the number {v}.", "My lucky number is {v}."],
        "number",
        ["What is my favourite number?", "Which number do I like?", "What is my lucky number?"],
        "Your number is {v}.",
    ),
    (
        ["My sister is called {v}.", "I have a sister named {v}.", "My sister's name is {v}."],
        "sister",
        ["What is my sister called?", "What is the name of my sister?", "What's my sister's name?"],
        "Your sister is called {v}.",
    ),
]

NOTED = ["Okay, I will remember that.", "Nice to know.", "Thank you for telling me.", "I see.", "Good to know."]


def _memory_value(draw: Draw, kind: str) -> str:
    return {
        "name": names.person if draw.chance(0.4) else names.first_name,
        "city": names.city,
        "color": lambda d: d.pick(names.COLORS),
        "pet": names.proper,
        "age": lambda d: str(d.number(5, 99)),
        "job": lambda d: d.pick([j for j in names.JOBS if j[0] not in "aeiou"]),
        "code": lambda d: names.code(d) if d.chance(0.5) else str(d.number(10, 99999)),
        "number": lambda d: str(d.number(1, 999)),
        "sister": names.first_name,
    }[kind](draw)


def filler(draw: Draw) -> list[Message]:
    """One question and answer of another skill, without its system turn."""
    maker = draw.rng.choices(
        [fact_chat, arithmetic_chat, small_talk, list_items, yes_no, odd_choice, rewrite, tips],
        (30, 18, 18, 10, 6, 6, 8, 4),
    )[0]
    while True:
        sample = maker(draw)
        if sample.messages and sample.messages[0]["role"] == "user":
            return list(sample.messages)


def memory(draw: Draw, num_fillers: int | None = None) -> Sample:
    """One to three things are told, other turns follow, then one is asked for."""
    told = draw.some(MEMORIES, draw.number(1, 3))
    values = [_memory_value(draw, kind) for _, kind, _, _ in told]
    messages: list[Message] = [turn("system", draw.pick(SYSTEMS))] if draw.chance(0.3) else []
    if draw.chance(0.25):
        messages.append(
            turn("user", " ".join(draw.phrase(say).format(v=v) for (say, *_), v in zip(told, values, strict=True)))
        )
        messages.append(turn("assistant", draw.pick(NOTED)))
    else:
        for (say, kind, _, _), v in zip(told, values, strict=True):
            said = draw.phrase(say).format(v=v)
            messages.append(turn("user", said))
            messages.append(
                turn("assistant", f"Nice to meet you, {v.split()[0]}!" if kind == "name" else draw.pick(NOTED))
            )
    for _ in range(draw.pick([0, 0, 1, 2, 3]) if num_fillers is None else num_fillers):
        messages += filler(draw)
    for i in draw.some(range(len(told)), draw.pick([1, 1, min(2, len(told))])):
        _, _, questions, answer = told[i]
        short = draw.chance(0.2)
        messages += [
            turn("user", draw.phrase(questions) + (" Only the value." if short else "")),
            turn("assistant", values[i] if short else answer.format(v=values[i])),
        ]
    return chat("memory", messages)


def mixed_turns(draw: Draw) -> Sample:
    """Several questions of different skills in one chat."""
    messages: list[Message] = [turn("system", draw.pick(SYSTEMS))] if draw.chance(0.4) else []
    for _ in range(draw.number(2, 5)):
        messages += filler(draw)
    return chat("mixed_turns", messages, match="open")

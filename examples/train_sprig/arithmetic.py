"""Sums, differences and small products, as chat, as raw text and as dense drill lines."""
# ruff: noqa: SIM905 - a list of words reads best as words

from draw import Draw
from facts import SYSTEMS
from names import first_name
from sample import Sample, chat, raw, turn


def problem(draw: Draw) -> tuple[str, int, int, int]:
    """Sign, both numbers and the result: two-digit sums and differences, products up to 12 x 12."""
    sign = draw.rng.choices("+-*", (50, 35, 15))[0]
    if sign == "*":
        a, b = draw.number(1, 12), draw.number(1, 12)  # the table is a fact: shared by both sides
        return sign, a, b, a * b
    a, b = draw.pair(0, 99) if draw.chance(0.8) else draw.pair(0, 20)
    if sign == "-" and b > a:
        a, b = b, a
    return sign, a, b, a + b if sign == "+" else a - b


ASK = {
    "+": [
        "What is {a} + {b}?",
        "What is {a} plus {b}?",
        "Add {a} and {b}.",
        "{a}+{b}=?",
        "Calculate {a} + {b}.",
        "What is the sum of {a} and {b}?",
        "How much is {a} plus {b}?",
        "{a} + {b} =",
        "Compute {a} + {b}.",
        "What do you get when you add {b} to {a}?",
        "{a} plus {b}?",
        "Work out {a} + {b}.",
    ],
    "-": [
        "What is {a} - {b}?",
        "What is {a} minus {b}?",
        "Subtract {b} from {a}.",
        "{a}-{b}=?",
        "Calculate {a} - {b}.",
        "How much is {a} minus {b}?",
        "{a} - {b} =",
        "Compute {a} - {b}.",
        "Take {b} away from {a}.",
        "{a} minus {b}?",
        "What is the difference between {a} and {b}?",
        "Work out {a} - {b}.",
    ],
    "*": [
        "What is {a} times {b}?",
        "What is {a} * {b}?",
        "Multiply {a} by {b}.",
        "{a}*{b}=?",
        "Calculate {a} * {b}.",
        "How much is {a} times {b}?",
        "{a} times {b}?",
        "What is {a} x {b}?",
        "Compute {a} * {b}.",
        "What is the product of {a} and {b}?",
        "Work out {a} * {b}.",
    ],
}
WORD_PROBLEMS = [
    ("{n} has {a} {o}. {n} buys {b} more. How many {o} does {n} have now?", "+"),
    ("{n} has {a} {o} and gets {b} more. How many {o} does {n} have?", "+"),
    ("{n} has {a} {o} and gives away {b}. How many {o} are left?", "-"),
    ("There are {a} {o} on the table. {n} takes {b}. How many are left?", "-"),
    ("{n} picks {a} {o} in the morning and {b} in the evening. How many {o} is that?", "+"),
    ("A box holds {a} {o}. {n} adds {b}. How many {o} are in the box?", "+"),
    ("{n} had {a} {o} and lost {b}. How many {o} does {n} have now?", "-"),
]
OBJECTS = "apples books pens coins marbles cards stamps shells eggs candles".split()


def arithmetic_chat(draw: Draw) -> Sample:
    sign, a, b, result = problem(draw)
    if sign != "*" and draw.chance(0.25):
        text, sign = draw.phrase(WORD_PROBLEMS)
        result = a + b if sign == "+" else a - b
        if result < 0:
            a, b, result = b, a, -result
        things = draw.pick(OBJECTS)
        name = first_name(draw)
        question = text.format(n=name, a=a, b=b, o=things)
        sentence = f"{a} {sign} {b} = {result}, so the answer is {result}."
    else:
        question = draw.phrase(ASK[sign]).format(a=a, b=b)
        sentence = f"{a} {sign} {b} = {result}."
    messages = []
    short = draw.chance(0.4)
    if draw.chance(0.2):
        messages.append(
            turn(
                "system",
                draw.pick(["Answer with a number only.", "You answer with a number."]) if short else draw.pick(SYSTEMS),
            )
        )
    elif short:
        question += draw.phrase(
            [
                " Answer with a number only.",
                " Give only the number.",
                " Just the number.",
                " Reply with the number only.",
                " Only the number, please.",
                " Answer with just the number.",
            ]
        )
    return chat(
        "arithmetic", [*messages, turn("user", question), turn("assistant", str(result) if short else sentence)]
    )


def arithmetic_raw(draw: Draw) -> Sample:
    """Drill lines; the last one is judged."""
    form = draw.number(0, 4)
    lines = []
    for _ in range(draw.number(1, 12)):
        sign, a, b, result = problem(draw)
        if form == 0:
            head, tail = f"Q: What is {a} {sign} {b}?\nA:", f" {result}"
        elif form == 1:
            head, tail = f"{a}{sign}{b}=", f"{result}"
        else:
            head, tail = f"{a} {sign} {b} =", f" {result}"
        lines.append((head, tail))
    prompt = "\n".join(head + tail for head, tail in lines[:-1])
    return raw("arithmetic_raw", (prompt + "\n" if prompt else "") + lines[-1][0], lines[-1][1])


def compare(draw: Draw) -> Sample:
    a, b = draw.pair(0, 99)
    kind = draw.number(0, 3)
    if kind == 0:
        question, answer = f"Is {a} greater than {b}? Answer yes or no.", "yes" if a > b else "no"
    elif kind == 1:
        question, answer = f"Is {a} smaller than {b}? Answer yes or no.", "yes" if a < b else "no"
    elif kind == 2:
        question, answer = f"Which number is larger, {a} or {b}? Only the number.", str(max(a, b))
    else:
        start, step = draw.number(0, 60), draw.pick([1, 1, 2, 5, 10])
        row = [start + step * i for i in range(draw.number(3, 5))]
        question, answer = f"Which number comes next: {', '.join(map(str, row))}? Only the number.", str(row[-1] + step)
    return chat("compare", [turn("user", question), turn("assistant", answer)])

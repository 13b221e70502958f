"""Questions for the well-known tools, with the arguments, the result and the reply of each."""

from collections.abc import Callable

import names
from draw import Draw
from tool_kinds import Ask


def ask_weather(draw: Draw) -> Ask:
    city = names.city(draw)
    question = draw.phrase(
        [
            f"What is the weather in {city}?",
            f"How is the weather in {city} today?",
            f"Is it raining in {city}?",
            f"What's the weather like in {city}?",
            f"Tell me the weather in {city}.",
            f"How warm is it in {city}?",
            f"weather in {city}",
            f"Do I need an umbrella in {city}?",
            f"Check the weather for {city}, please.",
            f"I am in {city}. What is the weather?",
            f"Will it be sunny in {city}?",
            f"Give me the weather report for {city}.",
        ]
    )
    t, sky = draw.number(-10, 40), draw.pick(["sunny", "cloudy", "rainy", "windy", "snowy", "clear", "foggy", "stormy"])
    if draw.chance(0.5):
        return Ask(
            question, {"city": city}, {"temperature": t, "condition": sky}, f"It is {t} degrees and {sky} in {city}."
        )
    return Ask(
        question,
        {"city": city},
        draw.pick([f"{sky}, {t} degrees", f"{sky}, {t}°C", f"{t} degrees and {sky}"]),
        f"It is {t} degrees and {sky} in {city}.",
    )


def ask_time(draw: Draw) -> Ask:
    city, now = names.city(draw), f"{draw.number(0, 23):02d}:{draw.number(0, 59):02d}"
    question = draw.phrase(
        [
            f"What time is it in {city}?",
            f"What's the time in {city}?",
            f"Tell me the time in {city}.",
            f"Current time in {city}?",
            f"How late is it in {city}?",
            f"Which time do they have in {city}?",
        ]
    )
    return Ask(question, {"city": city}, draw.pick([now, {"time": now}]), f"It is {now} in {city}.")


def expression(draw: Draw) -> tuple[str, str, int | float]:
    """Words, the expression they ask for, its value."""
    a, b, c = draw.number(2, 999), draw.number(2, 99), draw.number(2, 50)
    forms: list[tuple[str, str, float]] = [
        (f"{a} times {b}", f"{a} * {b}", a * b),
        (f"{a} plus {b}", f"{a} + {b}", a + b),
        (f"{a} minus {b}", f"{a} - {b}", a - b),
        (f"{a * b} divided by {b}", f"{a * b} / {b}", a),
        (f"{a} * {b}", f"{a} * {b}", a * b),
        (f"{a} + {b}", f"{a} + {b}", a + b),
        (f"{a} - {b}", f"{a} - {b}", a - b),
        (f"{a * b} / {b}", f"{a * b} / {b}", a),
        (f"{a} + {b} * {c}", f"{a} + {b} * {c}", a + b * c),
        (f"({a} + {b}) * {c}", f"({a} + {b}) * {c}", (a + b) * c),
        (f"{a} plus {b} plus {c}", f"{a} + {b} + {c}", a + b + c),
        (f"{a} times {b} plus {c}", f"{a} * {b} + {c}", a * b + c),
        (f"the sum of {a} and {b}", f"{a} + {b}", a + b),
        (f"the product of {a} and {b}", f"{a} * {b}", a * b),
        (f"{b} squared", f"{b} ** 2", b * b),
        (f"{a} multiplied by {b}", f"{a} * {b}", a * b),
        (f"{a}*{b}", f"{a} * {b}", a * b),
        (f"{a}+{b}", f"{a} + {b}", a + b),
    ]
    words, form, value = draw.pick(forms)
    return words, form, int(value)


def ask_calculator(draw: Draw) -> Ask:
    words, form, value = expression(draw)
    question = draw.phrase(
        [
            f"What is {words}?",
            f"Calculate {words}.",
            f"How much is {words}?",
            f"Compute {words}.",
            f"{words} = ?",
            f"Can you work out {words}?",
            f"What does {words} give?",
            f"Please calculate {words}.",
            f"I need the result of {words}.",
            f"Tell me what {words} is.",
            f"What's {words}?",
            f"Use the calculator: {words}.",
        ]
    )
    return Ask(question, {"expression": form}, draw.pick([str(value), {"result": value}]), f"The result is {value}.")


def ask_binary(verb: str) -> Callable[[Draw], Ask]:
    def ask(draw: Draw) -> Ask:
        a, b = draw.number(0, draw.pick([99, 9999])), draw.number(0, 999)
        words = {
            "add": [
                f"Add {a} and {b}.",
                f"What is {a} plus {b}?",
                f"What is the sum of {a} and {b}?",
                f"What is {a} + {b}?",
                f"{a} + {b}?",
                f"Can you add {b} to {a}?",
            ],
            "multiply": [
                f"Multiply {a} by {b}.",
                f"What is {a} times {b}?",
                f"What is the product of {a} and {b}?",
                f"What is {a} * {b}?",
                f"{a} * {b}?",
                f"How much is {a} times {b}?",
            ],
            "subtract": [
                f"Subtract {b} from {a}.",
                f"What is {a} minus {b}?",
                f"What is {a} - {b}?",
                f"Take {b} from {a}.",
                f"{a} - {b}?",
                f"How much is {a} minus {b}?",
            ],
            "divide": [
                f"Divide {a} by {b}.",
                f"What is {a} divided by {b}?",
                f"What is {a} / {b}?",
                f"{a} / {b}?",
                f"How much is {a} divided by {b}?",
                f"How often does {b} go into {a}?",
            ],
        }[verb]
        value = {"add": a + b, "multiply": a * b, "subtract": a - b, "divide": a // max(b, 1)}[verb]
        question = draw.phrase(words)
        return Ask(question, {"a": a, "b": b}, value, f"The result is {value}.")

    return ask


SUBJECTS = [
    "the history of {w}",
    "how to bake {w}",
    "the best {w} recipes",
    "the {w} festival",
    "who invented the {w}",
    "the population of {w}",
    "{w} tickets",
    "news about {w}",
    "the price of {w}",
    "the {w} river",
    "{w}",
]


def ask_search(draw: Draw) -> Ask:
    w = names.proper(draw) if draw.chance(0.6) else draw.pick(names.ITEMS + names.HOBBIES)
    query = draw.pick(SUBJECTS).format(w=w)
    question = draw.phrase(
        [
            f"Search for {query}.",
            f"Look up {query}.",
            f"Find information about {query}.",
            f"Search the web for {query}.",
            f"Please look up {query} for me.",
            f"Can you search for {query}?",
            f"google {query}",
            f"I want to read about {query}.",
            f"Find something on {query}.",
            f"What can you find about {query}?",
            f"Search: {query}",
            f"Do a search for {query}.",
        ]
    )
    found = draw.pick(
        [
            f"{names.proper(draw)} is a town with {draw.number(100, 99999)} people.",
            f"It was founded in {draw.number(1500, 2020)}.",
            f"It costs {draw.number(2, 900)} euros.",
            f"It was invented by {names.person(draw)}.",
            f"The answer is {names.proper(draw)}.",
        ]
    )
    return Ask(question, {"query": query}, found, f"I found this: {found}")


def ask_convert(draw: Draw) -> Ask:
    a, b = draw.some(names.CURRENCY_CODES, 2)
    value, result = draw.number(1, 5000), round(draw.number(1, 9000) + draw.number(1, 9) / 10, 2)
    question = draw.phrase(
        [
            f"Convert {value} {a} to {b}.",
            f"How much is {value} {a} in {b}?",
            f"What is {value} {a} in {b}?",
            f"Change {value} {a} into {b}.",
            f"{value} {a} to {b}",
            f"I have {value} {a}. How much {b} is that?",
            f"Please convert {value} {a} into {b}.",
        ]
    )
    return Ask(
        question,
        {"amount": value, "from_currency": a, "to_currency": b},
        draw.pick([result, {"result": result}]),
        f"{value} {a} is {result} {b}.",
    )


def ask_email(draw: Draw) -> Ask:
    to = names.email(draw)
    subject = draw.pick(
        ["Meeting", "Invoice", "Lunch", "Holiday", "Report", "Hello", f"{names.proper(draw)} project", "Party", "Order"]
    )
    body = draw.pick(
        [
            "See you at {t}.",
            "Please call me.",
            "The meeting is at {t}.",
            "I am late.",
            "Thank you for {w}.",
            "Can we meet on {d}?",
            "The {w} is ready.",
            "I will come on {d}.",
        ]
    ).format(t=names.time_of_day(draw).rstrip("."), w=draw.pick(names.ITEMS), d=draw.pick(names.DAYS))
    question = draw.phrase(
        [
            f'Send an email to {to} with the subject "{subject}" and the text "{body}"',
            f"Email {to}: subject {subject}, body: {body}",
            f"Write an email to {to} about {subject} saying: {body}",
            f"Please mail {to}. Subject: {subject}. Text: {body}",
            f'Send {to} an email. Subject "{subject}", body "{body}"',
            f"Mail to {to}, subject {subject}: {body}",
        ]
    )
    return Ask(
        question,
        {"to": to, "subject": subject, "body": body},
        draw.pick(["sent", {"status": "sent"}]),
        f"I sent the email to {to}.",
    )


def ask_price(draw: Draw) -> Ask:
    item = draw.pick(names.ITEMS) if draw.chance(0.5) else names.word(draw)
    cost = draw.number(1, 900)
    question = draw.phrase(
        [
            f"What does {names.with_article(item)} cost?",
            f"How much is {names.with_article(item)}?",
            f"What is the price of {names.with_article(item)}?",
            f"Price of {item}?",
            f"Tell me the price of {names.with_article(item)}.",
            f"How expensive is {names.with_article(item)}?",
        ]
    )
    return Ask(question, {"item": item}, draw.pick([cost, {"price": cost}]), f"The price is {cost}.")


def ask_reminder(draw: Draw) -> Ask:
    task, when = (
        draw.pick(
            ["call {n}", "buy {i}", "water the plants", "pay the rent", "meet {n}", "feed the cat", "book the {i}"]
        ).format(n=names.first_name(draw), i=draw.pick(names.ITEMS)),
        names.time_of_day(draw),
    )
    question = draw.phrase(
        [
            f"Remind me to {task} at {when}",
            f"Set a reminder to {task} at {when}",
            f"At {when} I have to {task}. Remind me",
            f"Please remind me at {when} to {task}",
            f"Reminder: {task}, {when}",
            f"Don't let me forget to {task} at {when}",
        ]
    )
    return Ask(
        question,
        {"text": task, "time": when},
        draw.pick(["ok", {"status": "ok"}]),
        f"I will remind you to {task} at {when}.",
    )


def ask_light(draw: Draw) -> Ask:
    room, on = (
        draw.pick(["kitchen", "bedroom", "bathroom", "hall", "office", "garage", "garden", names.word(draw)]),
        draw.chance(0.5),
    )
    state = "on" if on else "off"
    question = draw.phrase(
        [
            f"Turn {state} the light in the {room}.",
            f"Switch the {room} light {state}.",
            f"Lights {state} in the {room}, please.",
            f"Please turn the light in the {room} {state}.",
            f"{room} light {state}",
            f"Can you turn {state} the {room} light?",
        ]
    )
    return Ask(
        question, {"room": room, "on": on}, draw.pick(["ok", {"ok": True}]), f"The light in the {room} is {state} now."
    )


def ask_sql(draw: Draw) -> Ask:
    table, column, n = (
        draw.pick(["users", "orders", "products", "customers", "invoices", names.word(draw)]),
        draw.pick(["age", "price", "total", "score", names.word(draw, 1, 2)]),
        draw.number(1, 999),
    )
    question, query = draw.pick(
        [
            (f"How many rows are in the table {table}?", f"SELECT COUNT(*) FROM {table}"),
            (f"Show all {table}.", f"SELECT * FROM {table}"),
            (f"List all {table} where {column} is greater than {n}.", f"SELECT * FROM {table} WHERE {column} > {n}"),
            (f"What is the highest {column} in {table}?", f"SELECT MAX({column}) FROM {table}"),
            (f"What is the average {column} in {table}?", f"SELECT AVG({column}) FROM {table}"),
            (f"List all {table} where {column} is {n}.", f"SELECT * FROM {table} WHERE {column} = {n}"),
        ]
    )
    return Ask(question, {"query": query}, n, f"The result is {n}.")


def ask_translate(draw: Draw) -> Ask:
    text, language = (
        draw.pick(
            [
                "good morning",
                "thank you",
                "where is the station",
                "I am hungry",
                "see you tomorrow",
                f"my name is {names.first_name(draw)}",
                "how are you",
            ]
        ),
        draw.pick(["French", "German", "Spanish", "Italian", "Polish", "Dutch"]),
    )
    result = " ".join(names.word(draw) for _ in range(2))
    question = draw.phrase(
        [
            f'Translate "{text}" into {language}.',
            f'How do you say "{text}" in {language}?',
            f'What is "{text}" in {language}?',
            f'Say "{text}" in {language}.',
            f'{language} for "{text}"?',
            f'Please translate "{text}" to {language}.',
        ]
    )
    return Ask(
        question,
        {"text": text, "language": language},
        draw.pick([result, {"translation": result}]),
        f"In {language}: {result}",
    )


def ask_population(draw: Draw) -> Ask:
    city, n = names.city(draw), draw.number(1000, 9999999)
    question = draw.phrase(
        [
            f"How many people live in {city}?",
            f"What is the population of {city}?",
            f"Population of {city}?",
            f"How big is the population of {city}?",
            f"Tell me how many people live in {city}.",
            f"Give me the population of {city}.",
        ]
    )
    return Ask(question, {"city": city}, draw.pick([n, {"population": n}]), f"{n} people live in {city}.")

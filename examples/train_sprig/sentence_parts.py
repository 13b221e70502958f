"""Sentences put together from parts, in any order: many more forms than a list of whole sentences holds.

The held-out side never draws from here: its sentences are whole phrasings, and none of them is one of these.
"""

from collections.abc import Sequence

import names
from draw import Draw

PARTS: dict[str, dict[str, list[str]]] = {
    "person": {
        "name": [
            "{name}", "name {name}", "someone named {name}", "a person called {name}", "the name is {name}",
            "this is {name}", "known as {name}", "signed by {name}", "tell {name}", "call {name}", "see {name}",
            "with {name}", "contact: {name}", "we met {name}", "{name} it is", "about {name}", "guest {name}",
        ],
        "age": [
            "{age} years old", "aged {age}", "age {age}", "at the age of {age}", "{age} years of age", "who is {age}",
            "turning {age}", "just {age}", "{age} y/o", "a {age}-year-old", "({age})", "age: {age}", "{age}",
        ],
        "city": [
            "from {city}", "of {city}", "in {city}", "living in {city}", "based in {city}", "city: {city}",
            "whose home is {city}", "resident of {city}", "lives in {city}", "at home in {city}", "{city} based",
            "moving to {city}", "who stays in {city}",
        ],
        "job": [
            "{ajob}", "the {job}", "job: {job}", "working as {ajob}", "employed as {ajob}", "{job} by trade",
            "a trained {job}", "who works as {ajob}", "profession {job}", "our {job}",
        ],
    },
    "invoice": {
        "number": [
            "invoice {number}", "no. {number}", "number {number}", "ref {number}", "#{number}", "document {number}",
            "invoice number {number}", "the invoice with the number {number}", "our invoice {number}", "{number}",
            "invoice no {number}", "booking {number}", "bill {number}",
        ],
        "customer": [
            "customer {customer}", "to {customer}", "for {customer}", "billed to {customer}", "client: {customer}",
            "sent to {customer}", "buyer {customer}", "owed by {customer}", "{customer} as the customer",
            "{customer} will pay", "made out to {customer}", "payer: {customer}",
        ],
        "money": [
            "{money}", "total {money}", "amount {money}", "over {money}", "sum: {money}", "to pay: {money}",
            "amounting to {money}", "worth {money}", "in the amount of {money}", "a total of {money}", "total: {money}",
        ],
        "date": [
            "dated {date}", "of {date}", "on {date}", "issued on {date}", "date: {date}", "({date})", "from {date}",
            "written {date}", "with the date {date}", "as of {date}",
        ],
    },
    "event": {
        "title": [
            "the {title}", "{title}", "event: {title}", "we host the {title}", "come to the {title}", "our {title}",
            "what: {title}", "the next {title}", "save the date for the {title}", "the yearly {title}",
        ],
        "date": ["on {date}", "{date}", "date: {date}", "({date})", "when: {date}", "day: {date}", "it is on {date}"],
        "time": [
            "at {time}", "{time}", "from {time}", "starting at {time}", "time: {time}", "begins at {time}", "({time})",
            "start {time}",
        ],
        "place": [
            "in {place}", "at {place}", "place: {place}", "venue {place}", "where: {place}", "location: {place}",
            "held in {place}", "we meet in {place}",
        ],
    },
    "address": {
        "street": [
            "{number} {street}", "{street} {number}", "{street}, no. {number}", "street: {street} {number}",
            "at {number} {street}", "house number {number}, {street}",
        ],
        "zip": ["{zip}", "zip {zip}", "postal code {zip}", "ZIP: {zip}", "zip code: {zip}", "({zip})"],
        "city": ["{city}", "in {city}", "town: {city}", "city {city}", "the city of {city}", "city: {city}"],
        "country": ["{country}", "({country})", "in {country}", "country {country}", "country: {country}"],
    },
}  # fmt: skip

OPENERS = [
    "Note:", "Here is what we know:", "FYI,", "Hello,", "For the record:", "New entry:", "From the list:", "Update:",
    "Good news!", "As discussed,", "According to the file,", "This morning:", "Just in:", "Last line of the mail:",
    "To all:", "Entry:", "Quick one:", "Seen today:", "In short,", "The desk says:",
]  # fmt: skip
CLOSERS = [
    "Thanks!", "That is all.", "More soon.", "Best regards", "See you.", "Please file it.", "Cheers", "End of note.",
    "Nothing else to add.", "Have a nice day.",
]  # fmt: skip
JOINERS = [", ", ", ", " ", " ", "; ", " / ", " | ", " - ", "\n", ". "]


def lead(draw: Draw, kind: str, whole: Sequence[str]) -> str:
    """A sentence with all fields of a kind: a whole phrasing, or half of the time in training one made of parts."""
    if draw.heldout or draw.chance(0.4):
        return draw.phrase(whole)
    return composed(draw, kind, draw.shuffled(list(PARTS[kind])))


def composed(draw: Draw, kind: str, fields: Sequence[str]) -> str:
    """The parts of `fields`, one after another."""
    text = draw.pick(JOINERS).join(draw.pick(PARTS[kind][field]) for field in fields)
    if text[0].isalpha() and draw.chance(0.7):
        text = text[0].upper() + text[1:]
    if draw.chance(0.6) and text[-1].isalnum():
        text += "."
    if draw.chance(0.3):
        text = f"{draw.pick(OPENERS)} {text}"
    elif draw.chance(0.15):
        text = f"{names.word(draw).capitalize()}: {text}"
    if draw.chance(0.2):
        text = f"{text} {draw.pick(CLOSERS)}"
    return text

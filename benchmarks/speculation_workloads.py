"""The workloads of the speculation benchmark, as programs on sprig."""

from collections.abc import Callable
from dataclasses import dataclass

from speculation_schemas import EXTRACTIONS, Extraction

import palmette as pm


@dataclass(frozen=True)
class Amount:
    """How much of each there is."""

    num_extractions: int
    num_questions: int
    num_reviews: int
    num_chats: int
    num_rows: int
    num_tokens: int
    """Of a free answer."""


FULL = Amount(40, 10, 16, 8, 64, 64)
QUICK = Amount(8, 4, 6, 3, 64, 24)
TINY = Amount(2, 1, 2, 1, 2, 6)


@dataclass(frozen=True)
class Workload:
    """Something that is run on an engine; with the same salt a second time, it is a run again."""

    name: str
    title: str
    run: Callable[[pm.Engine, str], list[pm.ProgramState]]
    """On an engine, with a cache salt; returns what ran."""
    max_passes: float | None = None
    """Passes a token that the first run is to need at most."""
    min_ratio: float = 0.97
    """Of the tokens a second of the first run, with guesses over without."""
    is_repeatable: bool = True
    """Whether the run again is to need few passes."""


@pm.function
def extract(s: pm.ProgramState, extraction: Extraction, text: str) -> None:
    """One record."""
    s += pm.user(f"Extract the {extraction.kind} as JSON: {text}")
    s += pm.assistant(pm.gen("record", json_schema=extraction.schema, max_tokens=120, temperature=0))


_EXAMPLES = """Say of each review whether it is positive, negative or neutral, and what it speaks of.
Review: In May: the soup was cold, and nobody was sorry about it.
Sentiment: negative, soup
Review: Today: the film made all of us happy.
Sentiment: positive, film
Review: In winter: the coat is there, and does what it is meant to do.
Sentiment: neutral, coat
Review: On our trip: the train was a waste of my money.
Sentiment: negative, train
"""
_SUBJECTS = ("soup", "room", "book", "lamp", "garden", "concert", "phone", "hotel")
_OPINIONS = ("was the best that I have had in years", "fell short of what they promised", "cost as much as the others")


@pm.function
def classify(s: pm.ProgramState, review: str) -> None:
    """A label and a word, after a few examples."""
    s += f"{_EXAMPLES}Review: {review}\nSentiment:"
    s += pm.gen("label", regex=" (positive|negative|neutral), [a-z]{3,12}", max_tokens=12, temperature=0)


@pm.function
def agree(s: pm.ProgramState, question: str, num_tokens: int) -> None:
    """Eight lines of thought on one question."""
    s += f"Question: {question}\nLet us think step by step.\n"
    branches = s.fork(8)
    for branch in branches:
        branch += pm.gen("thought", max_tokens=num_tokens, temperature=0.8)
        branch += "\nSo the answer is"
        branch += pm.gen("answer", max_tokens=4, temperature=0)
    branches.join()


_STEPS = ("name", "plan", "risks", "budget", "summary")
_STEP_SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 30}, "days": {"type": "integer", "maximum": 99}},
    "required": ["title", "days"],
    "additionalProperties": False,
}


@pm.function
def project(s: pm.ProgramState, goal: str, num_steps: int, num_tokens: int) -> None:
    """A record and a text a step; with fewer steps it ends where a tool failed."""
    s += pm.user(f"We want to {goal}. Let us go step by step.")
    for step in _STEPS[:num_steps]:
        s += pm.user(f"Now the {step}.")
        with s.assistant():
            s += pm.gen(f"{step}_record", json_schema=_STEP_SCHEMA, max_tokens=40, temperature=0.5)
            s += pm.gen(f"{step}_text", max_tokens=num_tokens // 2, temperature=0.5)


@pm.function
def chat(s: pm.ProgramState, opening: str, num_tokens: int) -> None:
    """A free answer and another."""
    s += pm.user(opening)
    s += pm.assistant(pm.gen("first", max_tokens=num_tokens, temperature=0.7))
    s += pm.user("Tell me more.")
    s += pm.assistant(pm.gen("second", max_tokens=num_tokens, temperature=0.7))


_OPENINGS = (
    "What makes a good breakfast?",
    "Tell me about the sea.",
    "How do I plant a tree?",
    "Why is the sky blue?",
    "What do children like in winter?",
    "Write a few words about a village by a river.",
    "How can I save money?",
    "What is music for?",
)
_PRICES = {"apple": 3, "melon": 12, "lamp": 45, "chair": 80, "mirror": 64}


@pm.tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers.

    Args:
        a: the first number
        b: the second number
    """
    return a * b


@pm.tool
def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: name of the city
    """
    return f"sunny, {10 + len(city)} degrees"


@pm.tool
def get_price(item: str) -> int:
    """Get the price of an item.

    Args:
        item: the item
    """
    return _PRICES.get(item, 20)


_QUESTIONS = (
    "What is 23 times 7?",
    "What is the weather in Oslo?",
    "How much does a lamp cost?",
    "What is 12 times 31?",
    "What is the weather in Lisbon?",
    "How much does a melon cost?",
    "What is 45 times 3?",
    "What is the weather in Prague?",
    "How much does a mirror cost?",
    "What is 64 times 8?",
)


def make_workloads(amount: Amount) -> list[Workload]:
    """All of them; what sets the numbers of rows apart is how they are run."""
    documents = [(each, each.texts[turn]) for turn in range(2) for each in EXTRACTIONS][: amount.num_extractions]
    reviews = [
        f"Last week: the {_SUBJECTS[index % len(_SUBJECTS)]} {_OPINIONS[index % len(_OPINIONS)]}."
        for index in range(amount.num_reviews)
    ]
    openings = _OPENINGS[: amount.num_chats]
    many = [f"{_OPENINGS[index % len(_OPENINGS)]} Think of {index}." for index in range(amount.num_rows)]

    def run_extractions(engine: pm.Engine, salt: str) -> list[pm.ProgramState]:
        return [extract.run(*each, backend=engine, cache_salt=salt, seed=1) for each in documents]

    def run_agent(engine: pm.Engine, salt: str) -> list[pm.ProgramState]:
        helper = pm.agent(tools=[multiply, get_weather, get_price], max_steps=3)
        states, history = [], None
        for question in _QUESTIONS[: amount.num_questions]:
            result = helper.run(question, history=history, backend=engine, cache_salt=salt, seed=1)
            history = result.history
            states.append(result.state)
        return states

    def run_classification(engine: pm.Engine, salt: str) -> list[pm.ProgramState]:
        return [classify.run(review, backend=engine, cache_salt=salt, seed=1) for review in reviews]

    def run_forks(engine: pm.Engine, salt: str) -> list[pm.ProgramState]:
        question = "A shop sells apples at 3 dollars and melons at 12. What do 4 apples and 2 melons cost?"
        return [agree.run(question, amount.num_tokens, backend=engine, cache_salt=salt, seed=1)]

    def run_retry(engine: pm.Engine, salt: str) -> list[pm.ProgramState]:
        arguments = ("open a small bakery", amount.num_tokens)
        return [
            project.run(arguments[0], num_steps, arguments[1], backend=engine, cache_salt=salt, seed=1)
            for num_steps in (4, 5)
        ]

    def run_chats(engine: pm.Engine, salt: str) -> list[pm.ProgramState]:
        return [
            chat.run(opening, amount.num_tokens, backend=engine, cache_salt=salt, seed=index)
            for index, opening in enumerate(openings)
        ]

    def run_many(engine: pm.Engine, salt: str) -> list[pm.ProgramState]:
        texts = [(opening, amount.num_tokens // 2) for opening in many]
        return chat.run_batch(texts, backend=engine, cache_salt=salt, seed=1, num_threads=len(texts))

    return [
        Workload("json", f"{len(documents)} extractions, 20 schemas", run_extractions, 0.45, 1.6),
        Workload("agent", f"agent, {amount.num_questions} calls of tools in one chat", run_agent, 0.45, 1.6),
        Workload("few_shot", f"{len(reviews)} reviews after examples", run_classification),
        Workload("forks", "self-consistency, 8 forks", run_forks),
        Workload("retry", "a program that stops at its fifth step, and again", run_retry),
        Workload("chat", f"{len(openings)} free chats, one by one", run_chats),
        Workload("chat_64", f"{len(many)} free chats at once", run_many, is_repeatable=False),
    ]

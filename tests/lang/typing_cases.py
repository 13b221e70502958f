"""What a type checker makes of a program: `test_typing.py` has mypy read this file, which is never imported.

The comment behind each `reveal_type` is what mypy is to say; behind other lines, the error it is to report.
"""

import datetime
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, TypedDict, reveal_type

import msgspec

import palmette as pm


@dataclass
class Person:
    name: str


class Movie(TypedDict):
    title: str


class Point(NamedTuple):
    x: float


class Order(msgspec.Struct):
    item: str


class Color(enum.Enum):
    RED = "red"


@pm.function
def program(s: pm.ProgramState, topic: str) -> str:
    s += f"About {topic}: " + pm.gen("a") + "."
    reveal_type(s)  # ProgramState

    reveal_type(s.gen())  # Value[str]
    reveal_type(s.gen("x", max_tokens=3, temperature=0.5, stop=["\n"]))  # Value[str]
    reveal_type(s.gen("x", regex="[0-9]+"))  # Value[str]
    reveal_type(s.gen(type=str))  # Value[str]
    reveal_type(s.gen(type=int))  # Value[int]
    reveal_type(s.gen(type=float))  # Value[float]
    reveal_type(s.gen(type=bool))  # Value[bool]
    reveal_type(s.gen(type=datetime.date))  # Value[date]
    reveal_type(s.gen("p", type=Person))  # Value[Person]
    reveal_type(s.gen(type=Movie))  # Value[TypedDict(Movie, {'title': str})]
    reveal_type(s.gen(type=Point))  # Value[tuple[float, fallback=Point]]
    reveal_type(s.gen(type=Order))  # Value[Order]
    reveal_type(s.gen(type=Color))  # Value[Color]
    reveal_type(s.gen(type=list[int]))  # Value[list[int]]
    reveal_type(s.gen(type=dict[str, Person]))  # Value[dict[str, Person]]

    reveal_type(s.gen(n=3))  # Value[list[str]]
    reveal_type(s.gen(type=Person, n=2))  # Value[list[Person]]
    reveal_type(s.gen("p", type=int, n=1, temperature=1.0))  # Value[list[int]]

    # What `type[T]` does not cover is Any, and no error.
    reveal_type(s.gen(type=int | str))  # Value[Any]
    reveal_type(s.gen(type=Literal["a", "b"]))  # Value[Any]
    reveal_type(s.gen(type=Annotated[int, msgspec.Meta(ge=0)]))  # Value[Any]

    reveal_type(s.gen(type=Person).get())  # Person
    reveal_type(s.gen(type=Person).get().name)  # str
    reveal_type(s.gen().get())  # str
    reveal_type(s.gen(n=2).get())  # list[str]
    reveal_type(s.gen().is_ready)  # bool
    reveal_type(s.select("c", ["a", "b"]))  # Value[str]
    reveal_type(s.select(choices=["a", "b"]).get())  # str
    reveal_type(s.score("p", "text"))  # Value[float]
    reveal_type(s.score("p", "text").get())  # float
    reveal_type(list(s.gen().text_iter()))  # list[str]

    s += s.gen(type=int)
    s += "so " + s.gen() + "!"
    s += f"{s.select('c', ['a'])}"

    for branch in s.fork(2):
        reveal_type(branch)  # ProgramState
    reveal_type(s.text())  # str
    reveal_type(s.messages())  # list[dict[str, str]]

    s.gen(tempreture=1.0)  # error: call-overload
    s.gen(max_tokens="three")  # error: call-overload
    s += 3  # error: arg-type
    return topic


async def follow(s: pm.ProgramState) -> AsyncIterator[str]:
    reveal_type(await s.gen())  # str
    reveal_type(await s.gen(type=Person))  # Person
    reveal_type(await s.gen(type=Person, n=2))  # list[Person]
    reveal_type(await s.gen(n=3))  # list[str]
    reveal_type(await s.select("c", ["a"]))  # str
    reveal_type(await s.score("p", "text"))  # float
    async for person in s.gen(type=Person).stream():
        reveal_type(person)  # Person
    async for token_id in s.gen().tokens():
        reveal_type(token_id)  # int
    async with s.fork(3) as branches:
        reveal_type(branches[0])  # ProgramState
    async for chunk in s.gen(type=int):
        reveal_type(chunk)  # str
        yield chunk


@pm.tool
def look(word: str) -> str:
    """Look a word up."""
    return word


def outside() -> None:
    reveal_type(program)  # Function
    reveal_type(program.run(topic="tea"))  # ProgramState
    reveal_type(program.plan())  # Plan
    reveal_type(program.explain())  # str
    reveal_type(pm.agent([look]).run("Who?").answer)  # str
    reveal_type(pm.agent([look], answer_type=Person).run("Who?").answer)  # Person
    reveal_type(pm.agent([look], answer_type=list[int]).run("Which?").answer)  # list[int]

"""Chain: dependent short generations, each of which reads the one before; and its tokens decoded in one go.

Between two links the model also reads text: the value before, repeated. "Its tokens in one go" has none of that; "its
text and tokens in one go" has as much of it, read at the start.
"""

from collections.abc import Mapping
from typing import Any

from answer import Answer
from palmette_answers import generated
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import Aim, ProgramWorkload
from .size import ProgramSize

_START = "A game of words: each line begins with the words that the line before ended with.\nThe sea ->"
_TRACED, _EAGER = "palmette", "eager"
_TOKENS_ALONE, _TEXT_AND_TOKENS = "its tokens in one go", "its text and tokens in one go"


@pm.function
def chain(s: pm.ProgramState, num_links: int, how: Mapping[str, Any]) -> None:
    """Values go into the text alone, so the runtime can see the whole program before any of it has run."""
    s += _START
    s += pm.gen("x1", **how)
    for link in range(2, num_links + 1):
        s += f"\n{s[f'x{link - 1}']} ->"
        s += pm.gen(f"x{link}", **how)


@pm.function
def eager_chain(s: pm.ProgramState, num_links: int, how: Mapping[str, Any]) -> int:
    """The same text; Python looks at every value before it goes on, so each must have come back to it."""
    num_characters = 0
    s += _START
    s += pm.gen("x1", **how)
    for link in range(2, num_links + 1):
        value = s[f"x{link - 1}"]
        num_characters += len(value)
        s += f"\n{value} ->"
        s += pm.gen(f"x{link}", **how)
    return num_characters


@pm.function
def in_one_go(s: pm.ProgramState, text: str, num_links: int, how: Mapping[str, Any]) -> None:
    """As many tokens, after one another, by one generation."""
    s += text
    s += pm.gen("all", **{**how, "max_tokens": num_links * how["max_tokens"]})


def make_chain(size: ProgramSize) -> ProgramWorkload:
    """One chain of `size.num_links`."""
    num_links = size.num_links
    names = [f"x{link}" for link in range(1, num_links + 1)]

    def write(how: dict[str, Any]) -> list[Answer]:
        return generated([chain.run(num_links, how)], names)

    def write_eagerly(how: dict[str, Any]) -> list[Answer]:
        return generated([eager_chain.run(num_links, how)], names)

    def write_tokens_alone(how: dict[str, Any]) -> list[Answer]:
        return generated([in_one_go.run(_START, num_links, how)], ["all"])

    def write_text_and_tokens(how: dict[str, Any]) -> list[Answer]:
        value = how["max_tokens"] * " the"  # a stand-in of as many tokens
        return generated([in_one_go.run(_START + (num_links - 1) * f"\n{value} ->", num_links, how)], ["all"])

    def call(calls: TransformersCalls, num_tokens: int) -> None:
        tape = calls.open(_START)
        (value,) = calls.generate("x1", [tape], num_tokens)
        for name in names[1:]:
            tape.write(f"\n{value} ->")
            (value,) = calls.generate(name, [tape], num_tokens)

    return ProgramWorkload(
        "chain",
        f"chain of {num_links} generations, {size.num_tokens} tokens each",
        size.num_tokens,
        write,
        call,
        can_batch=False,
        variants=(
            (_EAGER, write_eagerly),
            (_TOKENS_ALONE, write_tokens_alone),
            (_TEXT_AND_TOKENS, write_text_and_tokens),
        ),
        bounds=(_TOKENS_ALONE, _TEXT_AND_TOKENS),
        aims=(Aim(_TRACED, _TOKENS_ALONE, 1.05), Aim(_EAGER, _TOKENS_ALONE, 1.3)),
    )

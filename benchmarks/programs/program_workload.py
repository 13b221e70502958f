"""ProgramWorkload: a program in palmette's language and the same program in plain transformers calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from answer import Answer
from transformers_calls import TransformersCalls

PalmetteProgram = Callable[[dict[str, Any]], list[Answer]]
"""From the options of every `gen` (`generation_options`) to what was written, name by name."""


@dataclass(frozen=True)
class Aim:
    """One of palmette's ways takes at most `at_most` times as long as another, which is a bound."""

    way: str
    bound: str
    at_most: float


@dataclass(frozen=True)
class ProgramWorkload:
    """Two programs that write the same tokens under the same names, in the same order."""

    name: str
    title: str
    num_tokens: int
    """Of each generation; 1 where nothing is generated."""
    with_palmette: PalmetteProgram
    with_transformers: Callable[[TransformersCalls, int], None]
    """Given the calls and the number of tokens a generation; the calls remember what was written."""
    can_batch: bool = True
    """More than one text is open at the same time."""
    variants: tuple[tuple[str, PalmetteProgram], ...] = ()
    """Other ways of palmette, by name, run beside the first."""
    bounds: tuple[str, ...] = ()
    """Those variants that only do as much work, and write other tokens."""
    aims: tuple[Aim, ...] = ()
    target_ratio: float | None = None
    """How many times faster than transformers palmette means to be."""


def generation_options(num_tokens: int, *, wants_ids: bool = False) -> dict[str, Any]:
    """Options of `gen`: greedy and of a fixed length; with the ids of the tokens if asked for, which costs a little."""
    return {"max_tokens": num_tokens, "temperature": 0, "ignore_eos": True, "return_logprob": wants_ids}

"""What palmette wrote, from the states of programs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from answer import Answer

import palmette as pm


def generated(states: Sequence[pm.ProgramState], names: Iterable[str]) -> list[Answer]:
    """The generations of all states, name by name; where a join gathered branches, in their order.

    With their tokens if the gens had `return_logprob`.
    """
    return [
        _answer(meta_info) for name in names for state in states for meta_info in _flat(state.get_meta_info(name), dict)
    ]


def picked(states: Sequence[pm.ProgramState], name: str, choices: Sequence[str]) -> list[Answer]:
    """The selections of all states: each an answer of one token, the index of the choice."""
    return [Answer(1, (choices.index(value),)) for state in states for value in _flat(state[name], str)]


def _answer(meta_info: dict[str, Any]) -> Answer:
    triples = meta_info.get("output_token_logprobs")
    if triples is None:
        return Answer(meta_info["completion_tokens"], None)
    token_ids = tuple(token_id for _, token_id, _ in triples)
    return Answer(len(token_ids), token_ids)


def _flat(value: Any, kind: type) -> Iterator[Any]:
    """The values of `kind` in lists of lists of them."""
    if isinstance(value, kind):
        yield value
        return
    assert isinstance(value, list), f"expected {kind.__name__} in lists, got {value!r}"
    for each in value:
        yield from _flat(each, kind)

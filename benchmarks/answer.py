"""Answer: what a side wrote after one prompt, and how answers are compared."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One continuation, without an end-of-text token."""

    num_tokens: int
    token_ids: tuple[int, ...] | None
    """None where only the count was asked for."""


def num_tokens_of(answers: Sequence[Answer]) -> int:
    """Tokens written in all."""
    return sum(answer.num_tokens for answer in answers)


def agreement(left: Sequence[Answer], right: Sequence[Answer]) -> float:
    """Share of the tokens, counted up to the first difference of each pair, that are the same; 1 for identical."""
    num_same = num_all = 0
    for ours, theirs in zip(left, right, strict=True):
        assert ours.token_ids is not None, "agreement needs the tokens of both sides"
        assert theirs.token_ids is not None, "agreement needs the tokens of both sides"
        num_all += max(len(ours.token_ids), len(theirs.token_ids))
        for one, other in zip(ours.token_ids, theirs.token_ids, strict=False):
            if one != other:
                break
            num_same += 1
    return num_same / num_all if num_all else 1.0

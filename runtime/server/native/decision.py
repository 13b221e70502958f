"""Decision: the answer to one question, with the probability of each label, and what all labels hold together."""

import math
from collections.abc import Sequence

import msgspec

from ....lang.events import SelectResult, TokenLogprob
from ..api_error import refused
from .decision_types import Choice, Predicate, Question, Score

_MAX_SCORES = 101


class Decision(msgspec.Struct, kw_only=True):
    """What `/v1/decisions` answers to one question.

    `probabilities`: of each label, given that the answer is one of them. `mass`: the probability the model gave to
    going on with any of the labels at all; where it is small, the model had something else in mind.
    """

    index: int
    id: str | None
    kind: str
    answer: bool | str | int
    probabilities: dict[str, float]
    logprobs: dict[str, float]
    mass: float
    probability: float | None = None
    """Of a predicate: that it is so."""
    expected: float | None = None
    """Of a score: its mean by the probabilities."""


def labels_of(question: Question, param: str) -> tuple[str, ...]:
    """How the model may answer. Raises: ApiError."""
    match question:
        case Predicate(yes=yes, no=no):
            labels: tuple[str, ...] = (yes, no)
        case Choice(choices=choices):
            labels = tuple(choices)
        case Score(minimum=minimum, maximum=maximum):
            if not 0 <= maximum - minimum < _MAX_SCORES:
                raise refused(f"{param}.maximum", f"minimum to minimum + {_MAX_SCORES - 1}", maximum)
            labels = tuple(str(each) for each in range(minimum, maximum + 1))
    if len(set(labels)) < len(labels):
        raise refused(f"{param}.choices", "labels that differ", list(labels)[:8])
    return labels


def asked(question: Question, labels: Sequence[str]) -> str:
    """The question as it is put to the model."""
    match question:
        case Score(minimum=minimum, maximum=maximum):
            form = f"Answer with a whole number from {minimum} to {maximum}."
        case Predicate():
            form = f"Answer with one word: {labels[0]} or {labels[1]}."
        case Choice():
            form = f"Answer with one of: {', '.join(labels)}."
    return f"{question.question}\n{form}"


def decision_of(index: int, question: Question, labels: Sequence[str], result: SelectResult) -> Decision:
    """The answer: the label that the model finds likeliest as a whole, the first of several."""
    best = max(range(len(labels)), key=lambda number: result.logprobs[number])
    probabilities = dict(zip(labels, result.probabilities, strict=True))
    answer: bool | str | int = labels[best]
    if isinstance(question, Predicate):
        answer = best == 0
    elif isinstance(question, Score):
        answer = question.minimum + best
    return Decision(
        index=index,
        id=question.id,
        kind=str(type(question).__struct_config__.tag),
        answer=answer,
        probabilities=probabilities,
        logprobs=dict(zip(labels, result.logprobs, strict=True)),
        mass=_mass(result.logprobs, result.token_logprobs),
        probability=result.probabilities[0] if isinstance(question, Predicate) else None,
        expected=_expected(question, result.probabilities) if isinstance(question, Score) else None,
    )


def _expected(question: Score, probabilities: Sequence[float]) -> float:
    return sum((question.minimum + index) * each for index, each in enumerate(probabilities))


def _mass(logprobs: Sequence[float], token_logprobs: Sequence[Sequence[TokenLogprob]]) -> float:
    """The probability of the labels together: one that goes on from another ("10" from "1") is within it."""
    tokens = [tuple(token.token_id for token in each) for each in token_logprobs]
    own = [
        logprob
        for index, (mine, logprob) in enumerate(zip(tokens, logprobs, strict=True))
        if not any(
            mine[: len(other)] == other and (len(other) < len(mine) or number < index)
            for number, other in enumerate(tokens)
            if number != index
        )
    ]
    return min(1.0, math.fsum(math.exp(logprob) for logprob in own))

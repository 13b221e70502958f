"""The body of `/v1/decisions`: one input, and questions of it whose answers are among a few labels."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..parameters import Parameter

PATH = "/v1/decisions"

Label = Annotated[str, Meta(min_length=1, max_length=1_024)]
Id = Annotated[str, Meta(min_length=1, max_length=256)]
Word = Annotated[str, Meta(min_length=1, max_length=65_536)]


class Predicate(msgspec.Struct, tag_field="kind", tag="predicate", kw_only=True, forbid_unknown_fields=True):
    """Is it so? `yes` and `no`: how the model writes the answer."""

    question: Word
    id: Id | None = None
    yes: Label = "yes"
    no: Label = "no"


class Choice(msgspec.Struct, tag_field="kind", tag="choice", kw_only=True, forbid_unknown_fields=True):
    """Which of these is it?"""

    question: Word
    choices: Annotated[list[Label], Meta(min_length=1, max_length=1_024)]
    id: Id | None = None


class Score(msgspec.Struct, tag_field="kind", tag="score", kw_only=True, forbid_unknown_fields=True):
    """How much is it, as a whole number from `minimum` to `maximum`? At most a hundred apart."""

    question: Word
    id: Id | None = None
    minimum: int = 1
    maximum: int = 5


Question = Predicate | Choice | Score


class DecisionsBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What `/v1/decisions` takes."""

    input: Annotated[str, Meta(min_length=1)]
    questions: Annotated[list[Question], Meta(min_length=1)]
    instructions: str | None = None
    model: str | None = None
    cache_salt: Annotated[str, Meta(max_length=256)] | None = None
    priority: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    queue_timeout_s: float | None = None
    timeout_s: float | None = None


_REASONS = {
    "input": "the text that all questions are about; it is computed once. Special tokens in it are plain text",
    "questions": (
        "of kind predicate (question; yes and no, the words for it), choice (question, choices) and score (question, "
        "minimum, maximum, whole numbers); an id of the client's is given back"
    ),
    "instructions": "what the model is told first, in the system's role",
    "model": 'the name of the model that is served, or "default", or left out',
    "cache_salt": "requests share cached prefixes only with those of the same salt",
    "priority": "the higher, the less it loses when memory is short",
    "queue_timeout_s": "it fails where it has not begun so many seconds after it came",
    "timeout_s": "it fails where it has not ended so many seconds after it came",
}

DECISION_PARAMETERS = tuple(Parameter(name, PATH, "supported", reason) for name, reason in _REASONS.items())

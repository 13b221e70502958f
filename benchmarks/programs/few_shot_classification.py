"""Few-shot classification: many items after the same examples, a label picked for each."""

from typing import Any

from answer import Answer
from palmette_answers import picked
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import ProgramWorkload
from .size import ProgramSize

_LABELS = (" positive", " negative", " neutral")
_SUBJECTS = ("soup", "room", "film", "book", "lamp", "train", "garden", "concert", "phone", "coat")
_OPINIONS = (
    ("was the best that I have had in years", " positive"),
    ("was cold, and nobody was sorry about it", " negative"),
    ("is there, and does what it is meant to do", " neutral"),
    ("made all of us happy", " positive"),
    ("fell short of what they promised", " negative"),
    ("cost as much as the others", " neutral"),
    ("is lovely, and I would take it again", " positive"),
    ("was a waste of my money", " negative"),
    ("is neither large nor small", " neutral"),
    ("broke on the second day", " negative"),
)
_OCCASIONS = ("On Monday", "In May", "Last week", "On our trip", "At the weekend", "In winter", "Today", "Yesterday")
_NUM_EXAMPLES = 8


def _review(index: int) -> tuple[str, str]:
    """A review and its label; no two of the first 800 are the same."""
    subject, occasion = _SUBJECTS[index % 10], _OCCASIONS[index // 100 % 8]
    opinion, label = _OPINIONS[(index // 10 + index) % 10]
    return f"{occasion}: the {subject} {opinion}.", label


def _question_text(review: str) -> str:
    return f"Review: {review}\nSentiment:"


def _examples_text() -> str:
    examples = (_review(600 + 7 * index) for index in range(_NUM_EXAMPLES))
    shown = "".join(f"{_question_text(review)}{label}\n" for review, label in examples)
    return f"Say of each review whether it is positive, negative or neutral.\n{shown}"


_EXAMPLES = _examples_text()


@pm.function
def classify(s: pm.ProgramState, review: str) -> None:
    """The examples come first in every program of the batch."""
    s += _EXAMPLES + _question_text(review)
    s += pm.select("label", _LABELS)


def make_few_shot_classification(size: ProgramSize) -> ProgramWorkload:
    """`size.num_items` reviews."""
    reviews = [_review(index)[0] for index in range(size.num_items)]

    def write(how: dict[str, Any]) -> list[Answer]:  # noqa: ARG001 - nothing is generated
        return picked(classify.run_batch([(review,) for review in reviews]), "label", _LABELS)

    def call(calls: TransformersCalls, num_tokens: int) -> None:  # noqa: ARG001 - nothing is generated
        examples = calls.open(_EXAMPLES)
        for part in calls.parts(reviews, len(_LABELS)):
            tapes = calls.fork(examples, len(part))
            for tape, review in zip(tapes, part, strict=True):
                tape.write(_question_text(review))
            calls.select("label", tapes, _LABELS)

    return ProgramWorkload(
        "few_shot_classification",
        f"{len(reviews)} reviews, each classified after the same {_NUM_EXAMPLES} examples",
        1,
        write,
        call,
    )

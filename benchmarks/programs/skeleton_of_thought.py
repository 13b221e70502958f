"""Skeleton of thought: the points first, then all of them at once in full (Ning et al., 2023, arXiv:2307.15337)."""

from collections.abc import Mapping, Sequence
from typing import Any

from answer import Answer
from palmette_answers import generated
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import ProgramWorkload
from .size import ProgramSize

_INSTRUCTION = (
    "First write the skeleton of an answer: a few points of a few words each. Then write each point out in full, on "
    "its own, so that nothing depends on the other points. At the end sum up.\n\n"
)
_QUESTIONS = (
    "How does one prepare for a long walk in the mountains?",
    "What makes a town a good place for old people?",
    "How can a school save water?",
    "Why do birds fly to the south in autumn?",
)
_NUM_POINTS = 4


def _point_name(number: int) -> str:
    return f"point_{number}"


def _point_text(number: int, question: str) -> str:
    before = f"{_INSTRUCTION}Question: {question}\nSkeleton:" if number == 1 else ""
    return f"{before}\n{number}."


def _expansion_text(number: int, point: str) -> str:
    return f"\n\nPoint {number} in full.{point}:"


def _summary_text(expansions: Sequence[str]) -> str:
    return "\n\nThe answer:" + "".join(f"\n{text}" for text in expansions) + "\nTo sum up,"


@pm.function
def skeleton_of_thought(s: pm.ProgramState, question: str, how: Mapping[str, Any]) -> None:
    """The skeleton, then a branch a point."""
    for number in range(1, _NUM_POINTS + 1):
        s += _point_text(number, question)
        s += pm.gen(_point_name(number), **how)
    branches = s.fork(_NUM_POINTS)
    for number, branch in enumerate(branches, 1):
        branch += _expansion_text(number, branch[_point_name(number)])
        branch += pm.gen("expansion", **how)
    branches.join()
    s += _summary_text(s["expansion"])
    s += pm.gen("summary", **how)


def make_skeleton_of_thought(size: ProgramSize) -> ProgramWorkload:
    """An answer a question."""
    questions = _QUESTIONS[: size.num_programs]
    names = [_point_name(number) for number in range(1, _NUM_POINTS + 1)]

    def write(how: dict[str, Any]) -> list[Answer]:
        states = skeleton_of_thought.run_batch([(question, how) for question in questions])
        return generated(states, [*names, "expansion", "summary"])

    def call(calls: TransformersCalls, num_tokens: int) -> None:
        tapes = [calls.open("") for _ in questions]
        points: list[list[str]] = [[] for _ in questions]
        for number, name in enumerate(names, 1):
            for tape, question in zip(tapes, questions, strict=True):
                tape.write(_point_text(number, question))
            for kept, point in zip(points, calls.generate(name, tapes, num_tokens), strict=True):
                kept.append(point)
        branches = [branch for tape in tapes for branch in calls.fork(tape, _NUM_POINTS)]
        for index, branch in enumerate(branches):
            which, offset = divmod(index, _NUM_POINTS)
            branch.write(_expansion_text(offset + 1, points[which][offset]))
        expansions = calls.generate("expansion", branches, num_tokens)
        for index, tape in enumerate(tapes):
            tape.write(_summary_text(expansions[index * _NUM_POINTS : (index + 1) * _NUM_POINTS]))
        calls.generate("summary", tapes, num_tokens)

    return ProgramWorkload(
        "skeleton_of_thought",
        f"{len(questions)} skeletons of thought, {_NUM_POINTS} points, {size.num_tokens} tokens each",
        size.num_tokens,
        write,
        call,
    )

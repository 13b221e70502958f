"""LLM judge: an essay is judged in six respects at once, then summed up and graded (Saha et al., 2023)."""

from collections.abc import Mapping, Sequence
from typing import Any

from answer import Answer
from palmette_answers import generated, picked
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import ProgramWorkload
from .size import ProgramSize

_INSTRUCTION = "Read the essay of a pupil. Judge it fairly, in one sentence for each respect, then give a verdict.\n\n"
_ESSAYS = (
    "My home is a small town by the river. In the morning the baker opens his shop and the street smells of bread. "
    "Many people say that there is nothing to do here, but I think they do not look well. There is a library with old "
    "books, a market on Friday, and a hill from which one can see the sea. When I am older I want to travel, but I "
    "will come back, since a home is a place where people know your name.",
    "Animals should not live in a zoo. A lion needs a lot of room, and a cage is small. Some people say that children "
    "learn about animals in a zoo. That is true, but they could learn it from films and books as well. If we want to "
    "help animals we should protect the forests in which they live. A zoo may keep those that are ill or alone.",
    "Last summer we wanted to climb a mountain. It rained all day and my father had forgotten the map. We walked for "
    "hours and came to a farm, where a woman gave us soup and let us sleep in the barn. We never saw the top of the "
    "mountain. Still it was the best day of the year, because we laughed so much, and I learned to make soup.",
    "Everybody should learn to play an instrument. Music makes people patient, since one must practise every day. It "
    "also brings people together, for an orchestra only sounds well if all listen to each other. An instrument costs "
    "money, but a school could lend them. I play the flute, badly, and I would not want to miss it.",
)
_RESPECTS = ("clarity", "originality", "evidence", "structure", "grammar", "style")
_GRADES = (" good", " fair", " poor")
_GRADE_TEXT = "\nThe verdict on the essay is:"


def _essay_text(essay: str) -> str:
    return f"{_INSTRUCTION}Essay: {essay}\n"


def _respect_text(respect: str) -> str:
    return f"\nJudgement of its {respect}:"


def _summary_text(judgements: Sequence[str]) -> str:
    lines = "".join(f"\n- {respect}:{judgement}" for respect, judgement in zip(_RESPECTS, judgements, strict=True))
    return f"\nThe judgements:{lines}\nIn one sentence:"


@pm.function
def judge(s: pm.ProgramState, essay: str, how: Mapping[str, Any]) -> None:
    """A branch a respect; the joined judgements go into the text."""
    s += _essay_text(essay)
    branches = s.fork(len(_RESPECTS))
    for branch, respect in zip(branches, _RESPECTS, strict=True):
        branch += _respect_text(respect)
        branch += pm.gen("judgement", **how)
    branches.join()
    s += _summary_text(s["judgement"])
    s += pm.gen("summary", **how)
    s += _GRADE_TEXT
    s += pm.select("grade", _GRADES)


def make_llm_judge(size: ProgramSize) -> ProgramWorkload:
    """A verdict an essay."""
    essays, num_respects = _ESSAYS[: size.num_programs], len(_RESPECTS)

    def write(how: dict[str, Any]) -> list[Answer]:
        states = judge.run_batch([(essay, how) for essay in essays])
        return [*generated(states, ["judgement", "summary"]), *picked(states, "grade", _GRADES)]

    def call(calls: TransformersCalls, num_tokens: int) -> None:
        tapes = [calls.open(_essay_text(essay)) for essay in essays]
        branches = [branch for tape in tapes for branch in calls.fork(tape, num_respects)]
        for index, branch in enumerate(branches):
            branch.write(_respect_text(_RESPECTS[index % num_respects]))
        judgements = calls.generate("judgement", branches, num_tokens)
        for index, tape in enumerate(tapes):
            tape.write(_summary_text(judgements[index * num_respects : (index + 1) * num_respects]))
        calls.generate("summary", tapes, num_tokens)
        for tape in tapes:
            tape.write(_GRADE_TEXT)
        calls.select("grade", tapes, _GRADES)

    return ProgramWorkload(
        "llm_judge",
        f"{len(essays)} essays, a {num_respects}-way judge and a verdict, {size.num_tokens} tokens each",
        size.num_tokens,
        write,
        call,
    )

"""Tree of thought: at every level each text goes on in two ways (Yao et al., 2023, arXiv:2305.10601)."""

from collections.abc import Mapping
from typing import Any

from answer import Answer
from palmette_answers import generated
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import ProgramWorkload
from .size import ProgramSize

_NUM_BRANCHES = 2
_INSTRUCTION = (
    "Solve the problem step by step. At every step write down two different thoughts: the first one careful, the "
    "second one bold. Say what is known, what is asked, and what the step adds to it.\n"
)
_PROBLEMS = (
    "Mira buys 3 lamps for 12 dollars each and pays with a note of 50 dollars. How much does she get back?",
    "A train leaves at 9 and arrives at 14. It stops for one hour on the way. How long does it move?",
    "There are 24 apples in a basket. Half of them are red, and a third of the red ones are ripe. How many are ripe?",
    "Tobin reads 15 pages a day. His book has 180 pages, and he has read a third of it. How many days are left?",
)


def _problem_text(problem: str) -> str:
    return f"{_INSTRUCTION}Problem: {problem}\n"


def _thought_text(level: int, number: int) -> str:
    return f"\nStep {level}, thought {number}:"


@pm.function
def tree_of_thought(s: pm.ProgramState, problem: str, num_levels: int, how: Mapping[str, Any]) -> None:
    """All branches are written down level by level, so those of a level run at the same time."""
    s += _problem_text(problem)
    states, groups = [s], []
    for level in range(1, num_levels + 1):
        forks = [state.fork(_NUM_BRANCHES) for state in states]
        for fork in forks:
            for number, branch in enumerate(fork, 1):
                branch += _thought_text(level, number)
                branch += pm.gen(f"thought_{level}", **how)
        groups += forks
        states = [branch for fork in forks for branch in fork]
    for group in reversed(groups):
        group.join()


def make_tree_of_thought(size: ProgramSize) -> ProgramWorkload:
    """A tree a problem."""
    problems, num_levels = _PROBLEMS[: size.num_programs], size.num_levels

    def write(how: dict[str, Any]) -> list[Answer]:
        states = tree_of_thought.run_batch([(problem, num_levels, how) for problem in problems])
        return generated(states, [f"thought_{level}" for level in range(1, num_levels + 1)])

    def call(calls: TransformersCalls, num_tokens: int) -> None:
        tapes = [calls.open(_problem_text(problem)) for problem in problems]
        for level in range(1, num_levels + 1):
            forks = [calls.fork(tape, _NUM_BRANCHES) for tape in tapes]
            for fork in forks:
                for number, tape in enumerate(fork, 1):
                    tape.write(_thought_text(level, number))
            tapes = [tape for fork in forks for tape in fork]
            calls.generate(f"thought_{level}", tapes, num_tokens)

    num_thoughts = sum(_NUM_BRANCHES**level for level in range(1, num_levels + 1))
    return ProgramWorkload(
        "tree_of_thought",
        f"{len(problems)} trees of thought, {num_levels} levels x {_NUM_BRANCHES} ({num_thoughts} thoughts), "
        f"{size.num_tokens} tokens each",
        size.num_tokens,
        write,
        call,
    )

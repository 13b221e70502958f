"""Patterns of asking a model several times: best of n, a vote, map and reduce, retry, a beam, a router.

Each is a function of a state, for use inside a program, and a few lines on `fork`, `gen`, `select` and `score`: where
one does not fit, write your own. What asks the model is a function of the caller's that appends to a branch and returns
the value to come, `lambda b: b.gen("answer", max_tokens=8)`; that it does not read it lets all branches run at once.

Branches draw their noise by their place in the fork, so at a temperature above 0 they differ, and with a seed they are
the same again; at 0 they are all alike, and asking more than once is waste. Ties go to the first. In an async program
call a plain program that uses these, with `await program.arun(...)`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import InvalidArgument, NoneAccepted, ProgramError
from .running.program_run import ForkErrorMode
from .state import ProgramState
from .state_group import StateGroup
from .value import Value

T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item")

Make = Callable[[ProgramState], Value[T]]
"""Appends to a branch and returns the value to come."""
Scorer = Callable[[ProgramState], float | Value[float]]
"""How good a branch is, more is better: a number, or what `b.score(...)` gives. What it appends is left out after."""


@dataclass(frozen=True)
class Candidate(Generic[T]):
    """One of the values that were made."""

    value: T
    score: float
    state: ProgramState
    """The branch it was made in, to read from."""


@dataclass(frozen=True)
class Vote(Generic[T]):
    """What most branches said."""

    value: T
    num_votes: int
    values: tuple[T, ...]
    """What each branch said, in order; without those that failed."""


@dataclass(frozen=True)
class Beam(Generic[T]):
    """A chain of thoughts."""

    values: tuple[T, ...]
    """One thought a level."""
    score: float
    """Of the last."""
    state: ProgramState
    """The branch that holds the chain; it is open, and the program can go on in it."""


def best_of_n(
    s: ProgramState, make: Make[T], n: int, score: Scorer, *, on_error: ForkErrorMode = "cancel"
) -> Candidate[T]:
    """Make `n` candidates and give the one that scores highest.

        best = best_of_n(s, lambda b: b.gen("joke", temperature=1.0), 4, lambda b: b.score("fun", " Very funny!"))
        s += best.value

    Costs `n` branches that run at once, then a fork of each for its score. Variables that `make` sets become lists in
    `s`. With `on_error="collect"` branches that fail do not take part, unless all do. Raises `ProgramError`;
    `InvalidArgument` for a score that is no number.
    """
    branches = s.fork(n, on_error=on_error)
    made = _settled(branches, [_checked(make(branch)) for branch in branches], on_error)
    scores = [_judge(branch, score) for branch, _ in made]
    candidates = [Candidate(value, _number(score), branch) for (branch, value), score in zip(made, scores, strict=True)]
    branches.join()
    return max(candidates, key=lambda candidate: candidate.score)


def majority_vote(
    s: ProgramState,
    make: Make[T],
    n: int,
    *,
    key: Callable[[T], object] | None = None,
    on_error: ForkErrorMode = "cancel",
) -> Vote[T]:
    """Ask `n` times and give the answer that comes most often: self-consistency (Wang et al., arXiv:2203.11171).

        vote = majority_vote(s, lambda b: b.gen("answer", type=int, temperature=0.8), 5)
        s += f"{vote.value} ({vote.num_votes} of 5)"

    Answers count as the same if they are equal, or if their `key` is. Costs `n` branches that run at once, and `n`
    squared comparisons. Variables that `make` sets become lists in `s`. With `on_error="collect"` branches that fail do
    not vote, unless all do. Raises `ProgramError`.
    """
    branches = s.fork(n, on_error=on_error)
    values = [value for _, value in _settled(branches, [_checked(make(each)) for each in branches], on_error)]
    branches.join()
    keys = values if key is None else [key(value) for value in values]
    counts = [sum(1 for other in keys if other == each) for each in keys]
    winner = counts.index(max(counts))
    return Vote(values[winner], counts[winner], tuple(values))


def map_reduce(
    s: ProgramState,
    items: Iterable[Item],
    make: Callable[[ProgramState, Item], Value[T]],
    reduce: Callable[[ProgramState, Sequence[Value[T]]], R],
) -> R:
    """Ask once for each item, each in a branch of its own, then go on in `s` with what came of it; gives `reduce`'s.

        def reduce(s, notes):
            for note in notes: s += note
        map_reduce(s, pages, lambda b, page: b.gen("note", stop="\\n"), reduce)

    Costs a branch for each item, all at once. Nothing is waited for, and the whole is one submission, as long as
    `reduce` only appends the values (`s += value`, `s += f"{value}"`). Variables that `make` sets become lists in `s`.
    Without items `reduce` gets none. A branch that fails cancels the others; `ProgramError` is raised where a value is
    read, or at the end of the program.
    """
    listed = list(items)
    if not listed:
        return reduce(s, ())
    branches = s.fork(len(listed))
    values = [_checked(make(branch, item)) for branch, item in zip(branches, listed, strict=True)]
    branches.join()
    return reduce(s, values)


def retry(
    s: ProgramState,
    attempt: Callable[[ProgramState, str | None], Value[T]],
    check: Callable[[T], str | None],
    *,
    max_attempts: int = 3,
) -> T:
    """Let the model try again, told what was wrong, until `check` finds nothing wrong, which it says by None.

        def attempt(s, feedback):
            s += f"{feedback or 'Name a fruit.'} "; return s.gen("fruit", stop="\\n")
        retry(s, attempt, lambda fruit: None if fruit in known else f"{fruit} is not on the list.")

    `attempt` appends to `s` itself and gets the feedback, None at first; so the model sees all that went before, and
    what was computed for it is used again. Costs at most `max_attempts` rounds, one after the other. Raises
    `NoneAccepted` after the last, `ProgramError` if an attempt fails.
    """
    _check_positive("max_attempts", max_attempts)
    feedback: str | None = None
    for _ in range(max_attempts):
        value = _checked(attempt(s, feedback)).get()
        feedback = check(value)
        if feedback is None:
            return value
        if not isinstance(feedback, str):
            raise InvalidArgument("check", "a function that returns what is wrong, as text, or None", feedback)
    assert feedback is not None, max_attempts
    raise NoneAccepted(max_attempts, value, feedback)


def beam_of_thoughts(
    s: ProgramState, grow: Make[T], score: Scorer, *, width: int, depth: int, breadth: int
) -> list[Beam[T]]:
    """Grow chains of thoughts, `breadth` ways to go on from each, and keep the `width` best ones at each level.

        best, *_ = beam_of_thoughts(s, lambda b: b.gen(stop="\\n", temperature=1.0), judge, width=2, depth=3, breadth=3)
        s += "".join(best.values)

    The breadth-first search of Yao et al., "Tree of Thoughts" (arXiv:2305.10601). Gives at most `width` beams, the best
    first. Costs `breadth` branches at the first level and at most `width * breadth` at each of the others, those of a
    level at once, and a fork of each for its score. They stay open until the program ends; those that are idle give up
    their memory where others need it. A branch that fails cancels its siblings: raises `ProgramError`.
    """
    for name, number in {"width": width, "depth": depth, "breadth": breadth}.items():
        _check_positive(name, number)
    beams: list[Beam[T]] = [Beam((), 0.0, s)]
    for _ in range(depth):
        groups = [beam.state.fork(breadth) for beam in beams]
        thoughts = [[_checked(grow(branch)) for branch in group] for group in groups]
        made = [_settled(group, values, "cancel") for group, values in zip(groups, thoughts, strict=True)]
        chains = [
            (branch, (*beam.values, value)) for beam, pairs in zip(beams, made, strict=True) for branch, value in pairs
        ]
        scores = [_judge(branch, score) for branch, _ in chains]
        grown = [Beam(values, _number(score), branch) for (branch, values), score in zip(chains, scores, strict=True)]
        beams = sorted(grown, key=lambda beam: beam.score, reverse=True)[:width]
    return beams


def route(
    s: ProgramState,
    choose: Callable[[ProgramState, Sequence[str]], Value[str]],
    routes: Mapping[str, Callable[[ProgramState], R]],
) -> R:
    """Let the model choose how to go on, and go on there: gives what the chosen function of `s` returns.

        route(s, lambda b, names: b.select("kind", names), {"sum": calculate, "fact": look_up})

    `choose` is asked in a branch, so that `s` goes on without the question; what it sets is in `s` as a list of one.
    Costs that branch and one wait. Raises `InvalidArgument` without routes, or if the answer is none of them;
    `ProgramError` if the choice fails.
    """
    names = tuple(routes)
    if not names:
        raise InvalidArgument("routes", "at least one", routes)
    with s.copy() as branch:
        value = _checked(choose(branch, names))
    name = value.get()
    if name not in routes:
        raise InvalidArgument("choose", f"one of {', '.join(map(repr, names))}", name, "select among the names it gets")
    return routes[name](s)


def _settled(
    branches: StateGroup[ProgramState], values: Sequence[Value[T]], on_error: ForkErrorMode
) -> list[tuple[ProgramState, T]]:
    """The branches that made their value, with it; raises the first failure, of collected ones where all failed."""
    branches.wait()
    settled: list[tuple[ProgramState, T]] = []
    failures: list[ProgramError] = []
    for branch, value in zip(branches, values, strict=True):
        try:
            settled.append((branch, value.get()))
        except ProgramError as error:  # also a typed value that its text does not say, which fails no branch
            if on_error == "cancel":
                raise
            failures.append(error)
    if not settled:
        raise failures[0]
    return settled


def _judge(branch: ProgramState, score: Scorer) -> float | Value[float]:
    """The score to come, asked in a fork, so that the branch can go on without the question."""
    with branch.copy() as judge:
        return score(judge)


def _number(score: float | Value[float]) -> float:
    number = score.get() if isinstance(score, Value) else score
    if not isinstance(number, int | float) or math.isnan(number):
        raise InvalidArgument("score", "a function that gives a number, or what s.score(...) gives", number)
    return float(number)


def _checked(returned: Value[T]) -> Value[T]:
    if not isinstance(returned, Value):
        raise InvalidArgument("make", "a function that returns what b.gen(...) or b.select(...) gives", returned)
    return returned


def _check_positive(name: str, number: int) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise InvalidArgument(name, "a whole number >= 1", number)

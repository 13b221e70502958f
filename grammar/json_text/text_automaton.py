"""TextAutomaton: the strings that several expressions match at once, and others do not, within a length.

The expressions' automata are run side by side by the subset construction of Rabin and Scott (1959) over the
classes of characters that all expressions treat alike; then states that lead nowhere are dropped.
"""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache

from ..errors import ConstraintTooLarge
from ..rules.char_set import ALL_CHARS, MAX_CODE_POINT, CharSet
from ..rules.expression import NOTHING, Chars, Expression, Literal, Repeat, RuleRef, concat, either
from ..rules.nfa import Nfa
from ..rules.rule_set import RuleSet
from .strings import spelled_rule

MAX_NFA_STATES = 1_500
MAX_STATES = 600
MAX_COUNTED_STATES = 4_000
MAX_WORK = 60_000

ANY_TEXT = Repeat(Chars(ALL_CHARS), 0, None)

_States = tuple[frozenset[int], ...]


class _TooLarge(Exception):
    """A bound is passed; the caller does without an automaton."""


class TextAutomaton:
    """A deterministic automaton without dead states; state 0 is the start."""

    def __init__(self, arrows: list[dict[int, CharSet]], accepting: list[bool]) -> None:
        self._arrows = arrows  # for each state, the characters that lead to each other
        self._accepting = accepting

    @staticmethod
    def build(
        expressions: Sequence[Expression], low: int = 0, high: int | None = None, excluded: Sequence[Expression] = ()
    ) -> "TextAutomaton | None":
        """The strings of `low` to `high` characters that match all `expressions` and none of `excluded`.

        None where that takes too many states. Work is bounded.
        """
        return _build(tuple(expressions), low, high, tuple(excluded))

    def define(self, rules: RuleSet) -> Expression:
        """The strings between quotes, as rules of their own: one a state, which ends by calling the next.

        state 0  ::=  [a-z] state 1          state 1  ::=  [0-9] state 1 | "\\""
        """
        if not self._arrows:
            return NOTHING
        prefix = f"automaton-{len(rules)}"
        for state, arrows in enumerate(self._arrows):
            options: list[Expression] = []
            for target, members in arrows.items():
                options.append(concat(spelled_rule(rules, members), RuleRef(f"{prefix}-{target}")))
            if self._accepting[state]:
                options.append(Literal('"'))
            rules.define(f"{prefix}-{state}", either(options))
        return concat(Literal('"'), RuleRef(f"{prefix}-0"))

    def __len__(self) -> int:
        return len(self._arrows)


@lru_cache(maxsize=256)
def _build(
    expressions: tuple[Expression, ...], low: int, high: int | None, excluded: tuple[Expression, ...]
) -> TextAutomaton | None:
    try:
        machines = [Nfa(expression, MAX_NFA_STATES) for expression in (*expressions, *excluded)]
        arrows, accepting = _determinize(machines, len(expressions))
        if low > 0 or high is not None:
            arrows, accepting = _count(arrows, accepting, low, high)
    except (_TooLarge, ConstraintTooLarge):
        return None
    return TextAutomaton(*_trim(arrows, accepting))


def _classes(machines: list[Nfa]) -> list[tuple[CharSet, set[CharSet]]]:
    """The classes of characters that every arrow treats alike, each with the arrows' sets it is part of."""
    sets = list(dict.fromkeys(members for machine in machines for moves in machine.moves for members, _ in moves))
    edges: dict[int, list[tuple[int, bool]]] = {}
    for index, members in enumerate(sets):
        for first, last in members.ranges:
            edges.setdefault(first, []).append((index, True))
            edges.setdefault(last + 1, []).append((index, False))
    found: dict[frozenset[int], list[tuple[int, int]]] = {}
    inside: set[int] = set()
    begin = 0
    for point in [*sorted(edges), MAX_CODE_POINT + 1]:
        if begin < point:
            found.setdefault(frozenset(inside), []).append((begin, point - 1))
        begin = point
        for index, opens in edges.get(point, ()):
            (inside.add if opens else inside.discard)(index)
    classes = [(CharSet.of(ranges), {sets[index] for index in members}) for members, ranges in found.items()]
    return [each for each in classes if each[0]]


def _determinize(machines: list[Nfa], num_required: int) -> tuple[list[dict[int, CharSet]], list[bool]]:
    classes = _classes(machines)
    start: _States = tuple(machine.closure({0}) for machine in machines)
    numbers: dict[_States, int] = {start: 0}
    arrows: list[dict[int, CharSet]] = []
    accepting: list[bool] = []
    pending = deque([start])
    work = 0
    while pending:
        states = pending.popleft()
        ends = [machine.end in inside for machine, inside in zip(machines, states, strict=True)]
        accepting.append(all(ends[:num_required]) and not any(ends[num_required:]))
        ranges: dict[int, list[tuple[int, int]]] = {}
        for members, part_of in classes:
            work += 1
            after = _step(machines, states, part_of, num_required)
            if after is None:
                continue
            if after not in numbers:
                numbers[after] = len(numbers)
                pending.append(after)
                if len(numbers) > MAX_STATES or work > MAX_WORK:
                    raise _TooLarge
            ranges.setdefault(numbers[after], []).extend(members.ranges)
        arrows.append({target: CharSet.of(found) for target, found in ranges.items()})
    return arrows, accepting


def _step(machines: list[Nfa], states: _States, part_of: set[CharSet], num_required: int) -> _States | None:
    """The states after a character of a class; None where a required expression no longer matches."""
    after: list[frozenset[int]] = []
    for index, (machine, inside) in enumerate(zip(machines, states, strict=True)):
        targets = {target for state in inside for members, target in machine.moves[state] if members in part_of}
        if not targets and index < num_required:
            return None
        after.append(machine.closure(targets))
    return tuple(after)


def _count(
    arrows: list[dict[int, CharSet]], accepting: list[bool], low: int, high: int | None
) -> tuple[list[dict[int, CharSet]], list[bool]]:
    """The same with the characters counted, up to what the bounds tell apart."""
    most = low if high is None else high
    numbers: dict[tuple[int, int], int] = {(0, 0): 0}
    counted: list[dict[int, CharSet]] = []
    accepts: list[bool] = []
    pending = deque([(0, 0)])
    while pending:
        state, count = pending.popleft()
        accepts.append(accepting[state] and count >= low)
        following: dict[int, CharSet] = {}
        if high is None or count < high:
            for target, members in arrows[state].items():
                place = (target, min(count + 1, most))
                if place not in numbers:
                    numbers[place] = len(numbers)
                    pending.append(place)
                    if len(numbers) > MAX_COUNTED_STATES:
                        raise _TooLarge
                following[numbers[place]] = members
        counted.append(following)
    return counted, accepts


def _trim(arrows: list[dict[int, CharSet]], accepting: list[bool]) -> tuple[list[dict[int, CharSet]], list[bool]]:
    """Without the states from which no string ends; nothing at all where that is the start."""
    alive = _alive(arrows, accepting)
    if 0 not in alive:
        return [], []
    kept = [state for state in range(len(arrows)) if state in alive]
    numbers = {state: number for number, state in enumerate(kept)}
    trimmed = [
        {numbers[target]: members for target, members in arrows[state].items() if target in alive} for state in kept
    ]
    return trimmed, [accepting[state] for state in kept]


def _alive(arrows: list[dict[int, CharSet]], accepting: list[bool]) -> set[int]:
    sources: list[list[int]] = [[] for _ in arrows]
    for state, targets in enumerate(arrows):
        for target in targets:
            sources[target].append(state)
    alive: set[int] = set()
    pending = [state for state, accepts in enumerate(accepting) if accepts]
    while pending:
        state = pending.pop()
        if state not in alive:
            alive.add(state)
            pending += sources[state]
    return alive

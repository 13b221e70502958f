"""Relations between regular expressions: whether one matches nothing, all that another does, or nothing in common.

The expressions are ours, not those of interegular's own parser (which reads look-ahead wrongly, and knows neither
anchors nor classes of Unicode): they are turned into deterministic automata here, of a bounded number of states, and
interegular does the algebra. Its automata must not be asked for their truth: `if fsm` counts the matches, and
overflows where they have no end.
"""

from collections.abc import Mapping
from math import prod

from interegular.fsm import FSM, Alphabet, State, TransitionKey

from ..rules.char_classes import CharClasses
from ..rules.expression import Expression
from ..rules.positions import Positions, Span, TooManyPositions

MAX_POSITIONS = 2_000
MAX_STATES = 400
MAX_PAIRS = 20_000
"""States of one automaton, and of two of them together."""


class UndecidedRelation(Exception):
    """The relation would need automata past the bound on states; nothing is said about it."""


def is_empty(expression: Expression) -> bool:
    """Whether no text matches. Raises `UndecidedRelation`."""
    (machine,) = _machines(expression)
    return bool(machine.empty())


def includes(outer: Expression, inner: Expression) -> bool:
    """Whether `outer` matches every text that `inner` does. Raises `UndecidedRelation`."""
    outer_machine, inner_machine = _machines(outer, inner)
    return bool(inner_machine.difference(outer_machine).empty())


def are_disjoint(one: Expression, other: Expression) -> bool:
    """Whether no text matches both. Raises `UndecidedRelation`."""
    one_machine, other_machine = _machines(one, other)
    return bool(one_machine.intersection(other_machine).empty())


def are_equal(one: Expression, other: Expression) -> bool:
    """Whether both match the same texts. Raises `UndecidedRelation`."""
    one_machine, other_machine = _machines(one, other)
    return bool(one_machine.symmetric_difference(other_machine).empty())


def _machines(*expressions: Expression) -> list[FSM]:
    """Deterministic automata over one alphabet: the classes of characters that no expression tells apart."""
    positions = Positions({}, MAX_POSITIONS, max_copies=None)
    try:
        spans = [positions.add(expression) for expression in expressions]
    except TooManyPositions:
        raise UndecidedRelation(f"an expression has more than {MAX_POSITIONS} places for characters") from None
    classes = CharClasses(positions.members)
    masks = [classes.mask(members) for members in positions.members]
    alphabet = Alphabet({chr(index): TransitionKey(index) for index in range(len(classes))})
    machines = [_machine(span, positions, masks, alphabet) for span in spans]
    num_pairs = prod(len(machine.states) for machine in machines)
    if num_pairs > MAX_PAIRS:
        raise UndecidedRelation(f"the expressions have more than {MAX_PAIRS} states together")
    return machines


def _machine(span: Span, positions: Positions, masks: list[int], alphabet: Alphabet) -> FSM:
    """The subset construction over `positions`, from before the first character; bounded."""
    numbers: dict[frozenset[int] | None, State] = {None: State(0)}  # None: nothing is read yet
    finals = {State(0)} if span.is_nullable else set()
    transitions: dict[State, Mapping[TransitionKey, State]] = {}
    pending: list[frozenset[int] | None] = [None]
    while pending:
        here = pending.pop()
        if here is None:
            followers = span.first
        else:
            followers = frozenset(later for position in here for later in positions.followers[position])
        row: dict[TransitionKey, State] = {}
        for index, reached in _by_class(followers, masks).items():
            there = frozenset(reached)
            if there not in numbers:
                if len(numbers) >= MAX_STATES:
                    raise UndecidedRelation(f"an expression has more than {MAX_STATES} states")
                numbers[there] = State(len(numbers))
                pending.append(there)
                if there & span.last:
                    finals.add(numbers[there])
            row[TransitionKey(index)] = numbers[there]
        transitions[numbers[here]] = row
    return FSM(alphabet, set(numbers.values()), State(0), finals, transitions)


def _by_class(followers: frozenset[int], masks: list[int]) -> dict[int, list[int]]:
    """The positions that each class of characters reaches."""
    reached: dict[int, list[int]] = {}
    for later in followers:
        mask = masks[later]
        while mask:
            lowest = mask & -mask
            reached.setdefault(lowest.bit_length() - 1, []).append(later)
            mask ^= lowest
    return reached

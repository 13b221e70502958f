"""StopAutomaton: a stop regex as a deterministic automaton of a bounded number of states."""

from bisect import bisect_right
from functools import lru_cache

import interegular
from interegular.patterns import InvalidSyntax, Unsupported

from ...grammar.errors import ConstraintTooLarge, GrammarError
from ...grammar.notations.regex import parse_regex
from ...grammar.rules.char_classes import CharClasses
from ...grammar.rules.char_set import CharSet
from ...grammar.rules.expression import Expression
from ...grammar.rules.nfa import Nfa
from ..errors import InvalidRequest

MAX_NFA_STATES = 4_000
"""About the characters of the pattern with its repeats written out."""
MAX_STATES = 1_000
MAX_VISITS = 30_000
"""States of the NFA that are looked at while the automaton is made: some tens of milliseconds."""
MAX_KEPT = 256
"""Patterns whose automaton, or refusal, is remembered."""

START = 0


class _TooLarge(Exception):
    """The automaton would pass a bound; the message says which."""


class _Alphabet:
    """Characters by the sets of a pattern that hold them: two that no set tells apart are of one class."""

    def __init__(self, sets: set[CharSet]) -> None:
        ranges = CharClasses(sets)
        self._starts = [ord(ranges.witness(index)) for index in range(len(ranges))]
        held: list[list[int]] = [[] for _ in self._starts]
        ordered = list(sets)
        for number, members in enumerate(ordered):
            mask = ranges.mask(members)
            while mask:
                lowest = mask & -mask
                held[lowest.bit_length() - 1].append(number)
                mask ^= lowest
        classes: dict[tuple[int, ...], int] = {}
        self._classes = [classes.setdefault(tuple(each), len(classes)) for each in held]
        self._of_set: dict[CharSet, list[int]] = {members: [] for members in ordered}
        for holders, index in classes.items():
            for number in holders:
                self._of_set[ordered[number]].append(index)

    def class_of(self, character: str) -> int:
        """The number of a character's class."""
        return self._classes[bisect_right(self._starts, ord(character)) - 1]

    def moves(self, nfa: Nfa, states: frozenset[int]) -> dict[int, set[int]]:
        """Where each class of characters leads from `states`."""
        reached: dict[int, set[int]] = {}
        for state in states:
            for members, end in nfa.moves[state]:
                for index in self._of_set[members]:
                    reached.setdefault(index, set()).add(end)
        return reached


class StopAutomaton:
    """Follows a text from a place where a match could begin. The states are numbers, `START` the first.

    Made by the subset construction (Rabin and Scott, 1959), which may take a number of states that is exponential in
    the pattern: `(a|b)*a(a|b){30}` needs 2**31. So it is given up past `MAX_STATES` and `MAX_VISITS`.
    """

    def __init__(self, expression: Expression) -> None:
        nfa = Nfa(expression, MAX_NFA_STATES)
        self._alphabet = _Alphabet({members for moves in nfa.moves for members, _ in moves})
        first = nfa.closure({0})
        numbers = {first: START}
        self._rows: list[dict[int, int]] = []
        pending, num_visits = [first], 0
        for states in pending:  # grows while it is read
            row: dict[int, int] = {}
            for index, ends in self._alphabet.moves(nfa, states).items():
                there = nfa.closure(ends)
                num_visits += len(there)
                if there not in numbers:
                    numbers[there] = len(pending)
                    pending.append(there)
                row[index] = numbers[there]
            self._rows.append(row)
            if len(pending) > MAX_STATES:
                raise _TooLarge(f"{MAX_STATES} states")
            if num_visits > MAX_VISITS:
                raise _TooLarge(f"{MAX_VISITS} steps to be made")
        self._finals = frozenset(number for states, number in numbers.items() if nfa.end in states)
        self._drop_dead_ends()

    @property
    def matches_empty(self) -> bool:
        """Whether the empty text matches."""
        return START in self._finals

    def is_final(self, state: int) -> bool:
        """Whether what was read is a match."""
        return state in self._finals

    def class_of(self, character: str) -> int:
        """What `after` asks of a character. O(log of the pattern's ranges of characters)."""
        return self._alphabet.class_of(character)

    def after(self, state: int, char_class: int) -> int | None:
        """The next state; None where no match can come any more."""
        return self._rows[state].get(char_class)

    def _drop_dead_ends(self) -> None:
        """Leave only arrows to states from which a match can be reached."""
        sources: dict[int, list[int]] = {}
        for state, row in enumerate(self._rows):
            for target in row.values():
                sources.setdefault(target, []).append(state)
        live = set(self._finals)
        pending = list(live)
        while pending:
            for source in sources.get(pending.pop(), ()):
                if source not in live:
                    live.add(source)
                    pending.append(source)
        self._rows = [{index: target for index, target in row.items() if target in live} for row in self._rows]


def stop_automaton(pattern: str) -> StopAutomaton:
    """The automaton of a stop regex; it is remembered, as is its refusal.

    Raises: InvalidRequest where the pattern is not valid, has what cannot be watched for (anchors, look-around,
    back-references), matches the empty text, which would end everything at once, or needs too large an automaton.
    """
    made = _automaton_or_refusal(pattern)
    if isinstance(made, str):
        raise InvalidRequest(made)
    return made


@lru_cache(maxsize=MAX_KEPT)
def _automaton_or_refusal(pattern: str) -> StopAutomaton | str:
    shown = repr(pattern if len(pattern) <= 100 else pattern[:100] + "...")
    try:
        expression = parse_regex(pattern)
        interegular.parse_pattern(pattern)
        automaton = StopAutomaton(expression)
    except (InvalidSyntax, Unsupported) as error:
        return (
            f"stop_regex: expected a pattern that can be watched for, got {shown}: {error} is not supported there; "
            "anchors mean nothing in a stop"
        )
    except ConstraintTooLarge:
        return _too_large(shown, f"{MAX_NFA_STATES} characters, its repeats written out")
    except _TooLarge as error:
        return _too_large(shown, str(error))
    except GrammarError as error:
        return f"stop_regex: {error}"
    if automaton.matches_empty:
        return (
            f"stop_regex: expected a pattern that matches at least one character, got {shown}, which matches the "
            "empty text and would end every generation at once"
        )
    return automaton


def _too_large(shown: str, limit: str) -> str:
    return (
        f"stop_regex: expected a pattern whose automaton needs at most {limit}, got {shown}, which needs more; shorten "
        "its repeats, or use stop strings"
    )

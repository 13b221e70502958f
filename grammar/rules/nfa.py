"""Nfa: an expression over characters as states with arrows for characters and for nothing (Thompson, 1968)."""

from ..errors import ConstraintTooLarge
from .char_set import CharSet
from .expression import Chars, Concat, Either, Expression, Literal, Repeat, RuleRef


class Nfa:
    """State 0 is the start, `end` accepts. Repeats are written out, so it has about a state a character.

    Raises `ConstraintTooLarge` past `max_states`.
    """

    def __init__(self, expression: Expression, max_states: int) -> None:
        self._max_states = max_states
        self.moves: list[list[tuple[CharSet, int]]] = []
        """For each state, the characters that lead on from it, and where."""
        self._skips: list[list[int]] = []
        start = self._new()
        self.end = self._add(expression, start)

    def closure(self, states: set[int]) -> frozenset[int]:
        """`states` and all that nothing leads to from them."""
        reached = set(states)
        pending = list(states)
        while pending:
            for target in self._skips[pending.pop()]:
                if target not in reached:
                    reached.add(target)
                    pending.append(target)
        return frozenset(reached)

    def _new(self) -> int:
        if len(self.moves) >= self._max_states:
            raise ConstraintTooLarge("characters of a pattern with its repeats written out", self._max_states, "more")
        self.moves.append([])
        self._skips.append([])
        return len(self.moves) - 1

    def _add(self, expression: Expression, start: int) -> int:
        """Add the arrows of a match from `start`; returns where it ends."""
        match expression:
            case Literal(text):
                for character in text:
                    start = self._move(CharSet.from_text(character), start)
                return start
            case Chars(members):
                return self._move(members, start)
            case Concat(parts):
                for part in parts:
                    start = self._add(part, start)
                return start
            case Either(options):
                return self._join([self._add(option, start) for option in options])
            case Repeat(item, min_count, max_count):
                return self._repeat(item, min_count, max_count, start)
            case RuleRef(name):
                raise AssertionError(f"automaton: expected an expression over characters, got the rule {name!r}")

    def _repeat(self, item: Expression, min_count: int, max_count: int | None, start: int) -> int:
        for _ in range(min_count):
            start = self._add(item, start)
        if max_count is None:
            head = self._join([start])
            self._skips[self._add(item, head)].append(head)
            return self._join([head])
        ends = [start]
        for _ in range(max_count - min_count):
            start = self._add(item, start)
            ends.append(start)
        return self._join(ends)

    def _move(self, members: CharSet, start: int) -> int:
        end = self._new()
        self.moves[start].append((members, end))
        return end

    def _join(self, ends: list[int]) -> int:
        joint = self._new()
        for end in ends:
            self._skips[end].append(joint)
        return joint

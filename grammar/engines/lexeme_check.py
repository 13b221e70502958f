"""Whether a greedy lexer that takes the longest lexeme finds every parse: the check behind llguidance's lowering."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..rules.char_classes import CharClasses
from ..rules.expression import Expression
from ..rules.positions import Positions

MAX_POSITIONS = 8_000
MAX_STATES = 8_000


class TooManyStates(Exception):
    """The lexemes together have more states than are looked at."""


@dataclass(frozen=True, slots=True)
class Clash:
    """After a whole `lexeme`, a character that may follow it could also go on with `other`.

    Which has been read up to some place in its part `part`, and goes on in the same one, or (`is_between`) in a later.
    """

    lexeme: str
    other: str
    part: int
    is_between: bool


class LexemeAutomaton:
    """All lexemes at once, as one automaton over characters.

    A lexer that always takes the longest match may be used if, wherever some lexeme is whole, no character that
    may follow it goes on with that or any other lexeme: then every lexeme ends where the parser ends it. All
    lexemes are taken to be possible at once, which only makes the check stricter.
    """

    def __init__(self, lexemes: Mapping[str, tuple[Expression, ...]], rules: Mapping[str, Expression]) -> None:
        """`lexemes`: the parts of each, in their order. Raises `TooManyPositions`."""
        self._positions = Positions(rules, MAX_POSITIONS)
        self._owner: list[tuple[str, int]] = []  # of each position: lexeme and index of the part
        self._last: dict[int, str] = {}
        start: set[int] = set()
        spans = {}
        for name, parts in lexemes.items():
            span = None
            for index, part in enumerate(parts):
                added = self._positions.add(part)
                self._owner += [(name, index)] * (len(self._positions.members) - len(self._owner))
                span = added if span is None else self._positions.join(span, added)
            assert span is not None, f"lexeme {name!r}: expected at least one part"
            spans[name] = span
            start |= span.first
            self._last.update(dict.fromkeys(span.last, name))
        classes = CharClasses(self._positions.members)
        self._masks = [classes.mask(members) for members in self._positions.members]
        self._start = frozenset(start)
        self.first_masks = {name: self._union(span.first) for name, span in spans.items()}
        self.is_nullable = {name: span.is_nullable for name, span in spans.items()}

    def clashes(self, follow_masks: Mapping[str, int]) -> set[Clash]:
        """All clashes; empty where the longest match is right. Raises `TooManyStates`.

        `follow_masks`: the classes of characters that may come after each lexeme.
        """
        found: set[Clash] = set()
        seen: set[frozenset[int]] = set()
        pending = list(self._partition(self._start))
        while pending:
            state = pending.pop()
            if state in seen:
                continue
            if len(seen) >= MAX_STATES:
                raise TooManyStates
            seen.add(state)
            followers = {later for position in state for later in self._positions.followers[position]}
            whole = {self._last[position] for position in state if position in self._last}
            if whole and followers:
                found |= self._clashes_at(state, whole, follow_masks)
            if followers:
                pending.extend(self._partition(frozenset(followers)))
        return found

    def _clashes_at(self, state: frozenset[int], whole: set[str], follow_masks: Mapping[str, int]) -> set[Clash]:
        found = set()
        for lexeme in whole:
            after = follow_masks[lexeme]
            for position in state:
                for later in self._positions.followers[position]:
                    if self._masks[later] & after:
                        (other, part), (_, later_part) = self._owner[position], self._owner[later]
                        found.add(Clash(lexeme, other, part, later_part > part))
        return found

    def _partition(self, positions: frozenset[int]) -> list[frozenset[int]]:
        """The sets of positions that one character may reach."""
        by_mask: dict[int, list[int]] = {}
        for position in positions:
            by_mask.setdefault(self._masks[position], []).append(position)
        parts: list[tuple[int, list[int]]] = []
        for mask, members in by_mask.items():
            refined: list[tuple[int, list[int]]] = []
            left = mask
            for part_mask, part in parts:
                common = part_mask & left
                if common:
                    refined.append((common, part + members))
                    left &= ~common
                if part_mask & ~mask:
                    refined.append((part_mask & ~mask, part))
            if left:
                refined.append((left, members))
            parts = refined
        return [frozenset(part) for _, part in parts]

    def _union(self, positions: frozenset[int]) -> int:
        mask = 0
        for position in positions:
            mask |= self._masks[position]
        return mask

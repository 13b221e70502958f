"""Whether a greedy lexer that takes the longest lexeme finds every parse: the check behind llguidance's lowering."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..rules.char_classes import CharClasses
from ..rules.expression import Expression
from ..rules.positions import Positions, Span, TooManyPositions, char_sets
from .lexeme_order import LexemeOrder

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


@dataclass(frozen=True, slots=True)
class _Walk:
    """What was met on the way through the states of some lexemes.

    `ends`: the states in which lexemes are whole that may go on, and these lexemes; `alike`: the sets of lexemes that
    match one text.
    """

    ends: list[tuple[frozenset[int], frozenset[str]]]
    alike: set[frozenset[str]]


class LexemeAutomaton:
    """All lexemes at once, as one automaton over characters.

    A lexer that always takes the longest match may be used if, wherever some lexeme is whole, no character that
    may follow it goes on with that or any other lexeme that is looked for: then every lexeme ends where the parser
    ends it. Which are looked for together is known in groups that share none, so that more are taken to be looked for
    than are; this only makes the check stricter.
    """

    def __init__(self, rules: Mapping[str, Expression], others: Iterable[Expression]) -> None:
        """Lexemes are made of what stands in the regular `rules` and in `others`."""
        self._rules = rules
        self._classes = CharClasses(char_sets([*rules.values(), *others]))
        self._forget()

    def _forget(self) -> None:
        self._positions = Positions(self._rules, MAX_POSITIONS)
        self._masks: list[int] = []  # of each position
        self._owner: list[tuple[str, int]] = []  # of each position: lexeme and index of the part
        self._last: dict[int, str] = {}
        self._spans: dict[str, Span] = {}
        self._walks: dict[tuple[str, ...], _Walk] = {}

    def take(self, lexemes: Mapping[str, tuple[Expression, ...]]) -> None:
        """Know `lexemes`, the parts of each in their order, whatever else is known. Raises `TooManyPositions`."""
        try:
            self._add(lexemes)
        except TooManyPositions:
            self._forget()  # those of earlier cuts
            self._add(lexemes)

    def _add(self, lexemes: Mapping[str, tuple[Expression, ...]]) -> None:
        for name, parts in lexemes.items():
            if name in self._spans:
                continue
            span = None
            for index, part in enumerate(parts):
                added = self._positions.add(part)
                self._owner += [(name, index)] * (len(self._positions.members) - len(self._owner))
                span = added if span is None else self._positions.join(span, added)
            assert span is not None, f"lexeme {name!r}: expected at least one part"
            self._spans[name] = span
            self._last.update(dict.fromkeys(span.last, name))
        self._masks += map(self._classes.mask, self._positions.members[len(self._masks) :])

    def nullable(self, names: Iterable[str]) -> dict[str, bool]:
        """Whether the empty text is a match, of each."""
        return {name: self._spans[name].is_nullable for name in names}

    def clashes(self, order: LexemeOrder) -> set[Clash]:
        """All clashes; empty where the longest match is right. Raises `TooManyStates`."""
        first_masks = {name: self._union(self._spans[name].first) for name in order.names}
        follow_masks = {}
        for name in order.names:
            mask = 0
            for later in order.names_of(order.follow[name]):
                mask |= first_masks[later]
            follow_masks[name] = mask
        groups = disjoint_groups(order.sought_together())
        walked: dict[int, _Walk] = {}
        while pending := [group for group in groups if group not in walked]:
            for group in pending:
                walk = walked[group] = self._walk(tuple(order.names_of(group)))
                # After one text that several lexemes match, what follows any of them is looked for.
                for names in walk.alike:
                    together = 0
                    for name in names:
                        together |= order.follow[name]
                    groups = disjoint_groups([*groups, together])
        found: set[Clash] = set()
        for group in groups:
            for state, whole in walked[group].ends:
                found |= self._clashes_at(state, whole, follow_masks)
        return found

    def _walk(self, names: tuple[str, ...]) -> "_Walk":
        """All states of lexemes that are looked for together; kept, as the next cut leaves many as they are."""
        walk = self._walks.get(names)
        if walk is not None:
            return walk
        walk = self._walks[names] = _Walk([], set())
        seen: set[frozenset[int]] = set()
        pending = self._partition(frozenset().union(*(self._spans[name].first for name in names)))
        while pending:
            state = pending.pop()
            if state in seen:
                continue
            if len(seen) >= MAX_STATES:
                raise TooManyStates
            seen.add(state)
            followers = frozenset().union(*map(self._positions.followers.__getitem__, state))
            whole = frozenset(self._last[position] for position in state if position in self._last)
            if whole and followers:
                walk.ends.append((state, whole))
            if len(whole) > 1:
                walk.alike.add(whole)
            if followers:
                pending.extend(self._partition(followers))
        return walk

    def _clashes_at(self, state: frozenset[int], whole: frozenset[str], follow_masks: Mapping[str, int]) -> set[Clash]:
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


def disjoint_groups(sets: Iterable[int]) -> list[int]:
    """The smallest groups such that each of `sets`, given as bits, lies within one; they share no bit."""
    groups: list[int] = []
    for each in filter(None, sets):
        merged = each
        for group in groups:
            merged |= group if group & each else 0
        groups = [*(group for group in groups if not group & each), merged]
    return groups

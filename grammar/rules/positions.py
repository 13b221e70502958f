"""Positions: which character of an expression may come after which, as in Glushkov's automaton."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .char_set import CharSet
from .expression import Chars, Concat, Either, Expression, Literal, Repeat, RuleRef

MAX_COPIES = 4
"""By default counted repeats past this are taken as any number, a greater language."""


class TooManyPositions(Exception):
    """The expressions have more positions than the bound given."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the matches of an expression may begin and end, and whether the empty text is one."""

    first: frozenset[int]
    last: frozenset[int]
    is_nullable: bool


_EMPTY_SPAN = Span(frozenset(), frozenset(), True)


class Positions:
    """The positions of several expressions over one numbering.

    A position is one place in an expression where one character is read (V. M. Glushkov, The abstract theory of
    automata, 1961). What is said here is never less than what the expressions match, and may be more: counted
    repeats past a bound are taken as any number.
    """

    def __init__(
        self, rules: Mapping[str, Expression], max_positions: int, *, max_copies: int | None = MAX_COPIES
    ) -> None:
        """`rules`: what the names in expressions mean; no name may mean itself.

        `max_copies`: counted repeats up to this many are told apart; None: all are.
        """
        self._max_copies = max_copies
        self._rules = rules
        self._max_positions = max_positions
        self.members: list[CharSet] = []
        self.followers: list[set[int]] = []

    def add(self, expression: Expression) -> Span:
        """Give `expression` positions of its own. Raises `TooManyPositions`."""
        match expression:
            case Literal(text):
                return self._literal(text)
            case Chars(members):
                return self._position(members)
            case Concat(parts):
                return self._concat(parts)
            case Either(options):
                spans = [self.add(option) for option in options]
                return Span(
                    frozenset().union(*(span.first for span in spans)),
                    frozenset().union(*(span.last for span in spans)),
                    any(span.is_nullable for span in spans),
                )
            case Repeat(item, low, high):
                return self._repeat(item, low, high)
            case RuleRef(name):
                return self.add(self._rules[name])

    def join(self, left: Span, right: Span) -> Span:
        """One after the other."""
        for position in left.last:
            self.followers[position] |= right.first
        return Span(
            left.first | right.first if left.is_nullable else left.first,
            left.last | right.last if right.is_nullable else right.last,
            left.is_nullable and right.is_nullable,
        )

    def _literal(self, text: str) -> Span:
        if not text:
            return _EMPTY_SPAN
        first = len(self.members)
        if first + len(text) > self._max_positions:
            raise TooManyPositions
        self.members.extend(map(_only, text))
        last = len(self.members) - 1
        self.followers.extend({later} for later in range(first + 1, last + 1))
        self.followers.append(set())
        return Span(frozenset((first,)), frozenset((last,)), False)

    def _position(self, members: CharSet) -> Span:
        if len(self.members) >= self._max_positions:
            raise TooManyPositions
        here = frozenset((len(self.members),))
        self.members.append(members)
        self.followers.append(set())
        return Span(here, here, False) if members else Span(frozenset(), frozenset(), False)

    def _concat(self, parts: tuple[Expression, ...]) -> Span:
        span = _EMPTY_SPAN
        for part in parts:
            span = self.join(span, self.add(part))
        return span

    def _repeat(self, item: Expression, low: int, high: int | None) -> Span:
        is_counted = self._max_copies is None or max(low, high or 0) <= self._max_copies
        if not is_counted or (high is None and low <= 1):
            once = self.add(item)
            self.join(once, once)
            return Span(once.first, once.last, once.is_nullable or low == 0)
        if high is None:
            needed = self._copies(item, low - 1, low - 1)
            return self.join(needed, self._repeat(item, 1, None))
        return self._copies(item, low, high)

    def _copies(self, item: Expression, low: int, high: int) -> Span:
        span = _EMPTY_SPAN
        for index in range(high):
            copy = self.add(item)
            span = self.join(span, copy if index < low else Span(copy.first, copy.last, True))
        return span


def char_sets(expressions: Iterable[Expression]) -> set[CharSet]:
    """The sets that positions of `expressions` have, names left aside."""
    found: set[CharSet] = set()
    pending = list(expressions)
    while pending:
        part = pending.pop()
        if isinstance(part, Chars):
            found.add(part.members)
        elif isinstance(part, Literal):
            found.update(map(_only, part.text))
        elif isinstance(part, Concat):
            pending.extend(part.parts)
        elif isinstance(part, Either):
            pending.extend(part.options)
        elif isinstance(part, Repeat):
            pending.append(part.item)
    return found


@lru_cache(maxsize=1_024)
def _only(character: str) -> CharSet:
    return CharSet.from_text(character)

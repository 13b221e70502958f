"""Expressions: what a text may be, as small immutable trees; the right-hand sides of rules."""

from collections.abc import Iterable
from dataclasses import dataclass

from .char_set import CharSet


@dataclass(frozen=True, slots=True)
class Literal:
    """Exactly `text`."""

    text: str


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set; an empty set matches nothing."""

    members: CharSet


@dataclass(frozen=True, slots=True)
class Concat:
    """Each part in turn."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """Any one of the options; no option matches nothing."""

    options: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """`item` from `min_count` to `max_count` times; None: without end."""

    item: "Expression"
    min_count: int
    max_count: int | None


@dataclass(frozen=True, slots=True)
class RuleRef:
    """Whatever the rule `name` matches."""

    name: str


Expression = Literal | Chars | Concat | Either | Repeat | RuleRef

MAX_COMPARED = 8

EMPTY = Literal("")
NOTHING = Either(())


def concat(*parts: Expression) -> Expression:
    """`parts` in turn, without needless nesting."""
    kept = tuple([part for part in parts if type(part) is not Literal or part.text])
    for part in kept:
        if type(part) is Either and not part.options:
            return NOTHING
    if len(kept) == 1:
        return kept[0]
    return Concat(kept) if kept else EMPTY


def either(options: Iterable[Expression]) -> Expression:
    """Any one of `options`, without doubles and without those that match nothing."""
    kept = [option for option in options if type(option) is not Either or option.options]
    if len(kept) > MAX_COMPARED:
        kept = list(dict.fromkeys(kept))
    elif len(kept) > 1:  # comparing a few ends at their first difference; hashing goes through all of each
        kept = [option for index, option in enumerate(kept) if option not in kept[:index]]
    return kept[0] if len(kept) == 1 else Either(tuple(kept))


def repeat(item: Expression, min_count: int, max_count: int | None) -> Expression:
    """`item` from `min_count` to `max_count` times; nothing where the counts cross.

    Rewritten so that a text has few derivations, on which an engine's work depends: an item that may be empty is
    repeated without its empty match, and `(x{a,b}){c,d}` with `a` <= 1 is `x{ac,bd}`, which leaves no gap.
    """
    if max_count is not None and max_count < min_count:
        return NOTHING
    if max_count == 0:
        return EMPTY
    if can_be_empty(item):
        item, min_count = without_empty(item), 0
    if item == NOTHING:
        return EMPTY if min_count == 0 else NOTHING
    if isinstance(item, Repeat) and item.min_count <= 1:
        most = None if max_count is None or item.max_count is None else max_count * item.max_count
        return Repeat(item.item, min_count * item.min_count, most)
    return item if (min_count, max_count) == (1, 1) else Repeat(item, min_count, max_count)


def can_be_empty(expression: Expression) -> bool:
    """Whether the empty text matches; False for what only rules could tell."""
    match expression:
        case Literal(text):
            return not text
        case Concat(parts):
            return all(map(can_be_empty, parts))
        case Either(options):
            return any(map(can_be_empty, options))
        case Repeat(item, min_count, _):
            return min_count == 0 or can_be_empty(item)
        case Chars() | RuleRef():
            return False


def without_empty(expression: Expression) -> Expression:
    """The same matches but the empty one: of parts that may all be empty, some part is the first that is not."""
    if not can_be_empty(expression):
        return expression
    match expression:
        case Concat(parts):
            return either(concat(without_empty(part), *parts[index + 1 :]) for index, part in enumerate(parts))
        case Either(options):
            return either(map(without_empty, options))
        case Repeat(item, _, max_count):
            return repeat(without_empty(item), 1, max_count)
        case _:
            return NOTHING


def optional(item: Expression) -> Expression:
    """`item` or nothing at all."""
    return repeat(item, 0, 1)


def any_literal(texts: Iterable[str]) -> Expression:
    """Any one of `texts`."""
    return either(map(Literal, texts))


def shared_len(left: str | bytes, right: str | bytes) -> int:
    """How long the common beginning of two texts is."""
    pairs = zip(left, right, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))


def length_bounds(expression: Expression) -> tuple[int, int | None]:
    """The fewest and the most characters a match may have (None: no bound); of an expression without rule names.

    For one that matches nothing the bounds cross.
    """
    match expression:
        case Literal(text):
            return len(text), len(text)
        case Chars(members):
            return (1, 1) if members else (1, 0)
        case Concat(parts):
            bounds = [length_bounds(part) for part in parts]
            longest = [high for _, high in bounds]
            high = None if None in longest else sum(length for length in longest if length is not None)
            return sum(low for low, _ in bounds), high
        case Either(options):
            bounds = [length_bounds(option) for option in options]
            if not bounds:
                return 1, 0
            longest = [high for _, high in bounds]
            high = None if None in longest else max(length for length in longest if length is not None)
            return min(low for low, _ in bounds), high
        case Repeat(item, min_count, max_count):
            item_low, item_high = length_bounds(item)
            if item_high == 0:
                return min_count * item_low, 0
            unbounded = item_high is None or max_count is None
            return min_count * item_low, None if unbounded else (item_high or 0) * (max_count or 0)
        case RuleRef(name):
            raise AssertionError(f"length_bounds: expected an expression without rule names, got {name!r}")


def matches(expression: Expression, text: str) -> bool:
    """Whether `expression`, without rule names, matches the whole of `text`. Polynomial, whatever the expression."""
    return len(text) in _ends(expression, text, frozenset((0,)))


def _ends(expression: Expression, text: str, starts: frozenset[int]) -> frozenset[int]:
    """Where matches that begin at any of `starts` may end."""
    if not starts:
        return starts
    match expression:
        case Literal(literal):
            return frozenset(start + len(literal) for start in starts if text.startswith(literal, start))
        case Chars(members):
            return frozenset(start + 1 for start in starts if start < len(text) and text[start] in members)
        case Concat(parts):
            for part in parts:
                starts = _ends(part, text, starts)
            return starts
        case Either(options):
            return frozenset().union(*(_ends(option, text, starts) for option in options))
        case Repeat(item, min_count, max_count):
            return _repeat_ends(item, min_count, max_count, text, starts)
        case RuleRef(name):
            raise AssertionError(f"matches: expected an expression without rule names, got {name!r}")


def _repeat_ends(
    item: Expression, min_count: int, max_count: int | None, text: str, starts: frozenset[int]
) -> frozenset[int]:
    for _ in range(min_count):
        if not starts:  # an item is never empty, so this comes before the text's length
            return starts
        starts = _ends(item, text, starts)
    reached = set(starts)
    count = min_count
    while starts and (max_count is None or count < max_count):
        starts = _ends(item, text, starts) - reached
        reached |= starts
        count += 1
    return frozenset(reached)

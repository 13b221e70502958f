"""Numbers as JSON text: every integer or decimal between two bounds, as an expression over digits."""

from dataclasses import dataclass
from decimal import Decimal

from ..errors import ConstraintTooLarge
from ..rules.char_set import ASCII_DIGITS, CharSet
from ..rules.expression import EMPTY, NOTHING, Chars, Expression, Literal, concat, either, optional, repeat

INTEGER_DIGITS = 18
"""An integer without a bound has at most this many digits, so that it fits 64 bits."""
DOUBLE_DIGITS = 15
"""Decimals of this many significant digits are told apart by a double: comparing text and floats then agrees."""
WHOLE_DIGITS = 9
MAX_BOUND_DIGITS = 28
"""Of decimal arithmetic's default precision, so that nothing is rounded."""

_DIGIT = Chars(ASCII_DIGITS)
_NONZERO = Chars(CharSet.of([(0x31, 0x39)]))


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range of numbers."""

    value: Decimal
    is_exclusive: bool = False


def any_integer() -> Expression:
    """An integer of at most 18 digits; never `-0`, never a leading zero."""
    positive = concat(_NONZERO, repeat(_DIGIT, 0, INTEGER_DIGITS - 1))
    return either([Literal("0"), concat(optional(Literal("-")), positive)])


def any_number() -> Expression:
    """A number with at most 15 digits before the point, 15 after it, and an exponent of at most two."""
    whole = either([Literal("0"), concat(_NONZERO, repeat(_DIGIT, 0, DOUBLE_DIGITS - 1))])
    fraction = concat(Literal("."), repeat(_DIGIT, 1, DOUBLE_DIGITS))
    sign = Chars(CharSet.from_text("+-"))
    exponent = concat(Chars(CharSet.from_text("eE")), optional(sign), repeat(_DIGIT, 1, 2))
    return concat(optional(Literal("-")), whole, optional(fraction), optional(exponent))


def integer_range(lower: Bound | None, upper: Bound | None) -> Expression:
    """Every integer within the bounds (an end without a bound: 18 digits, or one more than the other bound)."""
    low = None if lower is None else _ceiling(lower)
    high = None if upper is None else _floor(upper)
    farthest = 10 ** max(INTEGER_DIGITS, *(len(str(abs(end))) + 1 for end in (low, high) if end is not None), 0) - 1
    return _signed_range(-farthest if low is None else low, farthest if high is None else high)


def decimal_range(lower: Bound | None, upper: Bound | None) -> Expression | None:
    """Every number within the bounds, without exponent: whole numbers, and decimals of up to 15 significant digits.

    An end without a bound stops at 10 digits (whole numbers: 18). None where a double could not tell an exclusive
    bound from the decimals beside it: a reader might then find the bound itself.
    """
    given = [bound for bound in (lower, upper) if bound is not None]
    for bound in given:
        _check_size(bound)
    top = max(abs(bound.value) for bound in given) if given else Decimal(0)
    if len(given) < 2:
        top = max(top, Decimal(10**WHOLE_DIGITS))
    num_whole_digits = len(str(int(top)))
    given_places = max((_places(bound.value) for bound in given), default=0)
    places = max(DOUBLE_DIGITS - num_whole_digits, given_places, 0)
    if num_whole_digits + places > DOUBLE_DIGITS and any(bound.is_exclusive for bound in given):
        return None
    far = Decimal(10**num_whole_digits)
    low, high = lower or Bound(-far, is_exclusive=True), upper or Bound(far, is_exclusive=True)
    options = [integer_range(lower, upper)]
    if high.value >= 0:
        from_zero = low if low.value >= 0 else Bound(Decimal(0))
        options.append(_positive_decimals(from_zero, high, places))
    if low.value < 0:
        nearest = Bound(-high.value, high.is_exclusive) if high.value < 0 else Bound(Decimal(0), is_exclusive=True)
        mirrored = _positive_decimals(nearest, Bound(-low.value, low.is_exclusive), places)
        options.append(concat(Literal("-"), mirrored))
    return either(options)


def _check_size(bound: Bound | None) -> None:
    if bound is None:
        return
    _, digits, exponent = bound.value.as_tuple()
    assert isinstance(exponent, int), f"bound: expected a finite number, got {bound.value}"
    num_digits = max(len(digits) + max(exponent, 0), -exponent)
    if num_digits > MAX_BOUND_DIGITS:
        raise ConstraintTooLarge("digits of a numeric bound", MAX_BOUND_DIGITS, num_digits)


def _ceiling(bound: Bound) -> int:
    _check_size(bound)
    whole = int(bound.value)
    if whole < bound.value or (bound.is_exclusive and whole == bound.value):
        whole += 1
    return whole


def _floor(bound: Bound) -> int:
    return -_ceiling(Bound(-bound.value, bound.is_exclusive))


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


# Integers


def _signed_range(low: int, high: int) -> Expression:
    if low > high:
        return NOTHING
    options = []
    if low < 0:
        options.append(concat(Literal("-"), _natural_range(max(1, -high), -low)))
    if high >= 0:
        options.append(_natural_range(max(0, low), high))
    return either(options)


def _natural_range(low: int, high: int) -> Expression:
    """Every integer from `low` >= 0 to `high`, without leading zeros."""
    options: list[Expression] = []
    for num_digits in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (num_digits - 1) if num_digits > 1 else 0)
        last = min(high, 10**num_digits - 1)
        if first <= last:
            options.append(_same_length_range(str(first), str(last)))
    return either(options)


def _same_length_range(low: str, high: str) -> Expression:
    """Digit strings of one length from `low` to `high`; the size grows with the length, not the range."""
    shared = 0
    while shared < len(low) and low[shared] == high[shared]:
        shared += 1
    if shared == len(low):
        return Literal(low)
    low_tail, high_tail = low[shared:], high[shared:]
    between = _digits_between(int(low_tail[0]) + 1, int(high_tail[0]) - 1)
    options = [
        concat(Literal(low_tail[0]), _tail_from(low_tail, 1)),
        concat(between, repeat(_DIGIT, len(low_tail) - 1, len(low_tail) - 1)),
        concat(Literal(high_tail[0]), _tail_to(high_tail, 1)),
    ]
    return concat(Literal(low[:shared]), either(options))


def _tail_from(digits: str, start: int) -> Expression:
    """Digit strings as long as `digits[start:]`, and not below it."""
    options: list[Expression] = [Literal(digits[start:])]
    for index in range(start, len(digits)):
        rest = len(digits) - index - 1
        above = _digits_between(int(digits[index]) + 1, 9)
        options.append(concat(Literal(digits[start:index]), above, repeat(_DIGIT, rest, rest)))
    return either(options)


def _tail_to(digits: str, start: int) -> Expression:
    """Digit strings as long as `digits[start:]`, and not above it."""
    options: list[Expression] = [Literal(digits[start:])]
    for index in range(start, len(digits)):
        rest = len(digits) - index - 1
        below = _digits_between(0, int(digits[index]) - 1)
        options.append(concat(Literal(digits[start:index]), below, repeat(_DIGIT, rest, rest)))
    return either(options)


def _digits_between(low: int, high: int) -> Expression:
    return NOTHING if low > high else Chars(CharSet.of([(0x30 + low, 0x30 + high)]))


# Decimals: a whole part, and fraction digits that stand for 0 where they are missing


def _positive_decimals(low: Bound, high: Bound, places: int) -> Expression:
    """Numbers from `low` >= 0 to `high` with up to `places` digits after the point."""
    if low.value > high.value or (low.value == high.value and (low.is_exclusive or high.is_exclusive)):
        return NOTHING
    low_whole, high_whole = int(low.value), int(high.value)
    low_digits, high_digits = _fraction_digits(low.value, places), _fraction_digits(high.value, places)
    if low_whole == high_whole:
        between = _fraction(low_digits, low.is_exclusive, high_digits, high.is_exclusive)
        return _number(str(low_whole), between)
    options = [
        _number(str(low_whole), _fraction(low_digits, low.is_exclusive, None, False)),
        _number(str(high_whole), _fraction("0" * places, False, high_digits, high.is_exclusive)),
    ]
    if low_whole + 1 <= high_whole - 1:
        any_fraction = optional(concat(Literal("."), repeat(_DIGIT, 1, places))) if places else EMPTY
        options.append(concat(_natural_range(low_whole + 1, high_whole - 1), any_fraction))
    return either(options)


def _number(whole: str, fraction: "tuple[bool, Expression]") -> Expression:
    can_be_whole, digits = fraction
    with_point = concat(Literal(whole + "."), digits) if digits != NOTHING else NOTHING
    return either([Literal(whole) if can_be_whole else NOTHING, with_point])


def _fraction_digits(value: Decimal, places: int) -> str:
    """The digits after the point, filled up to `places`."""
    written = format(abs(value) - int(abs(value)), f".{places}f")
    return written.partition(".")[2]


def _fraction(low: str, low_open: bool, high: str | None, high_open: bool) -> tuple[bool, Expression]:
    """Digit strings `s`, 1 to `len(low)` long, with 0.low <= 0.s <= 0.high (None: no upper end).

    Also whether the empty string, which stands for 0, is one.
    """
    shared = 0
    if high is not None:
        while shared < len(low) and low[shared] == high[shared]:
            shared += 1
    # Strings that end while they agree with both bounds, and those that go on to differ from one.
    options: list[Expression] = [
        Literal(low[:end]) for end in range(1, shared + 1) if _is_within(low[:end], low, low_open, high, high_open)
    ]
    if shared < len(low):
        tail = _diverging(low[shared:], low_open, high and high[shared:], high_open)
        options.append(concat(Literal(low[:shared]), tail))
    return _is_within("", low, low_open, high, high_open), either(options)


def _is_within(digits: str, low: str, low_open: bool, high: str | None, high_open: bool) -> bool:
    padded = digits.ljust(len(low), "0")
    above = padded > low or (padded == low and not low_open)
    below = high is None or padded < high or (padded == high and not high_open)
    return above and below


def _diverging(low: str, low_open: bool, high: str | None, high_open: bool) -> Expression:
    """Non-empty digit strings from `low` to `high`, whose first digits differ; digits may be left out at the end."""
    rest = len(low) - 1
    anything = repeat(_DIGIT, 0, rest) if rest else EMPTY
    if high is None:
        return _fraction_from(low, low_open)
    between = concat(_digits_between(int(low[0]) + 1, int(high[0]) - 1), anything)
    at_low = [concat(Literal(low[0]), _at_least(low[1:], low_open))]
    at_high = [concat(Literal(high[0]), _at_most(high[1:], high_open))]
    return either([*at_low, between, *at_high])


def _fraction_from(low: str, is_open: bool) -> Expression:
    """Non-empty digit strings not below `low`."""
    rest = len(low) - 1
    above = concat(_digits_between(int(low[0]) + 1, 9), repeat(_DIGIT, 0, rest) if rest else EMPTY)
    return either([above, concat(Literal(low[0]), _at_least(low[1:], is_open))])


def _at_least(low: str, is_open: bool) -> Expression:
    """Digit strings, perhaps empty, at most as long as `low` and not below it when filled with zeros."""
    options: list[Expression] = []
    for index in range(len(low)):
        rest = len(low) - index - 1
        above = _digits_between(int(low[index]) + 1, 9)
        options.append(concat(Literal(low[:index]), above, repeat(_DIGIT, 0, rest) if rest else EMPTY))
    options += [Literal(low[:end]) for end in range(len(low) + 1) if not is_open and not low[end:].strip("0")]
    return either(options)


def _at_most(high: str, is_open: bool) -> Expression:
    """Digit strings, perhaps empty, at most as long as `high` and not above it when filled with zeros."""
    options: list[Expression] = []
    for index in range(len(high)):
        rest = len(high) - index - 1
        below = _digits_between(0, int(high[index]) - 1)
        options.append(concat(Literal(high[:index]), below, repeat(_DIGIT, 0, rest) if rest else EMPTY))
    options += [Literal(high[:end]) for end in range(len(high) + 1) if not is_open or high[end:].strip("0")]
    return either(options)

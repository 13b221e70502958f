"""Numbers as JSON text: any number, and every integer between two bounds, as expressions over digits."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache

from ..errors import ConstraintTooLarge
from ..rules.char_set import ASCII_DIGITS, CharSet
from ..rules.expression import (
    NOTHING,
    Chars,
    Expression,
    Literal,
    concat,
    either,
    optional,
    repeat,
    shared_len,
)

INTEGER_DIGITS = 18
"""An integer without a bound has at most this many digits, so that it fits 64 bits."""
DOUBLE_DIGITS = 15
"""Decimals of this many significant digits are told apart by a double: comparing text and floats then agrees."""
WHOLE_DIGITS = 9
MAX_BOUND_DIGITS = 28
"""Of decimal arithmetic's default precision, so that nothing is rounded."""

DIGIT = Chars(ASCII_DIGITS)
_NONZERO = Chars(CharSet.of([(0x31, 0x39)]))


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range of numbers."""

    value: Decimal
    is_exclusive: bool = False


@cache
def any_integer() -> Expression:
    """An integer of at most 18 digits; never `-0`, never a leading zero."""
    positive = concat(_NONZERO, repeat(DIGIT, 0, INTEGER_DIGITS - 1))
    return either([Literal("0"), concat(optional(Literal("-")), positive)])


@cache
def any_number() -> Expression:
    """A number with at most 15 digits before the point, 15 after it, and an exponent of at most two."""
    whole = either([Literal("0"), concat(_NONZERO, repeat(DIGIT, 0, DOUBLE_DIGITS - 1))])
    fraction = concat(Literal("."), repeat(DIGIT, 1, DOUBLE_DIGITS))
    sign = Chars(CharSet.from_text("+-"))
    exponent = concat(Chars(CharSet.from_text("eE")), optional(sign), repeat(DIGIT, 1, 2))
    return concat(optional(Literal("-")), whole, optional(fraction), optional(exponent))


@lru_cache(maxsize=256)
def integer_range(lower: Bound | None, upper: Bound | None) -> Expression:
    """Every integer within the bounds (an end without a bound: 18 digits, or one more than the other bound)."""
    low = None if lower is None else _ceiling(lower)
    high = None if upper is None else _floor(upper)
    farthest = 10 ** max(INTEGER_DIGITS, *(len(str(abs(end))) + 1 for end in (low, high) if end is not None), 0) - 1
    return _signed_range(-farthest if low is None else low, farthest if high is None else high)


def check_size(bound: Bound | None) -> None:
    if bound is None:
        return
    _, digits, exponent = bound.value.as_tuple()
    assert isinstance(exponent, int), f"bound: expected a finite number, got {bound.value}"
    num_digits = max(len(digits) + max(exponent, 0), -exponent)
    if num_digits > MAX_BOUND_DIGITS:
        raise ConstraintTooLarge("digits of a numeric bound", MAX_BOUND_DIGITS, num_digits)


def _ceiling(bound: Bound) -> int:
    check_size(bound)
    whole = int(bound.value)
    if whole < bound.value or (bound.is_exclusive and whole == bound.value):
        whole += 1
    return whole


def _floor(bound: Bound) -> int:
    return -_ceiling(Bound(-bound.value, bound.is_exclusive))


# Integers


def _signed_range(low: int, high: int) -> Expression:
    if low > high:
        return NOTHING
    options = []
    if low < 0:
        options.append(concat(Literal("-"), natural_range(max(1, -high), -low)))
    if high >= 0:
        options.append(natural_range(max(0, low), high))
    return either(options)


def natural_range(low: int, high: int) -> Expression:
    """Every integer from `low` >= 0 to `high`, without leading zeros; lengths that are there wholly are one repeat."""
    options: list[Expression] = []
    whole: list[int] = []
    for num_digits in range(len(str(low)), len(str(high)) + 1):
        least, most = 10 ** (num_digits - 1) if num_digits > 1 else 0, 10**num_digits - 1
        if num_digits > 1 and low <= least and most <= high:
            whole.append(num_digits)
        else:
            options.append(_same_length_range(str(max(low, least)), str(min(high, most))))
    if whole:
        options.append(concat(_NONZERO, repeat(DIGIT, whole[0] - 1, whole[-1] - 1)))
    return either(options)


def _same_length_range(low: str, high: str) -> Expression:
    """Digit strings of one length from `low` to `high`; the size grows with the length, not the range."""
    shared = shared_len(low, high)
    if shared == len(low):
        return Literal(low)
    low_tail, high_tail = low[shared:], high[shared:]
    num_rest = len(low_tail) - 1
    first, last = int(low_tail[0]), int(high_tail[0])
    options: list[Expression] = []
    if low_tail[1:].strip("0"):
        options.append(concat(Literal(low_tail[0]), _tail_from(low_tail, 1)))
        first += 1
    if high_tail[1:].strip("9"):
        options.append(concat(Literal(high_tail[0]), _tail_to(high_tail, 1)))
        last -= 1
    options.append(concat(digits_between(first, last), repeat(DIGIT, num_rest, num_rest)))
    return concat(Literal(low[:shared]), either(options))


def _tail_from(digits: str, start: int) -> Expression:
    """Digit strings as long as `digits[start:]`, and not below it."""
    end = len(digits.rstrip("0"))
    if end <= start:
        return repeat(DIGIT, len(digits) - start, len(digits) - start)
    zeros = repeat(DIGIT, len(digits) - end, len(digits) - end)
    options: list[Expression] = [concat(Literal(digits[start:end]), zeros)]
    for index in range(start, end):
        rest = len(digits) - index - 1
        above = digits_between(int(digits[index]) + 1, 9)
        options.append(concat(Literal(digits[start:index]), above, repeat(DIGIT, rest, rest)))
    return either(options)


def _tail_to(digits: str, start: int) -> Expression:
    """Digit strings as long as `digits[start:]`, and not above it."""
    end = len(digits.rstrip("9"))
    if end <= start:
        return repeat(DIGIT, len(digits) - start, len(digits) - start)
    nines = repeat(DIGIT, len(digits) - end, len(digits) - end)
    options: list[Expression] = [concat(Literal(digits[start:end]), nines)]
    for index in range(start, end):
        rest = len(digits) - index - 1
        below = digits_between(0, int(digits[index]) - 1)
        options.append(concat(Literal(digits[start:index]), below, repeat(DIGIT, rest, rest)))
    return either(options)


@cache
def digits_between(low: int, high: int) -> Expression:
    return NOTHING if low > high else Chars(CharSet.of([(0x30 + low, 0x30 + high)]))

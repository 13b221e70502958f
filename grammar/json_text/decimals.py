"""Decimals as JSON text: every number between two bounds, as an expression over digits."""

from decimal import Decimal
from functools import lru_cache

from ..rules.expression import EMPTY, NOTHING, Expression, Literal, concat, either, optional, repeat
from .numbers import DIGIT, DOUBLE_DIGITS, WHOLE_DIGITS, Bound, check_size, digits_between, integer_range, natural_range


def decimal_places(value: Decimal) -> int:
    """How many digits `value` has after the point."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@lru_cache(maxsize=256)
def decimal_range(lower: Bound | None, upper: Bound | None, max_places: int | None = None) -> Expression | None:
    """Every number within the bounds, without exponent: whole numbers, and decimals of up to 15 significant digits.

    With `max_places`, which the bounds keep to themselves, of at most that many digits after the point.

    An end without a bound stops at 10 digits (whole numbers: 18). None where a double could not tell an exclusive
    bound from the decimals beside it: a reader might then find the bound itself.
    """
    given = [bound for bound in (lower, upper) if bound is not None]
    for bound in given:
        check_size(bound)
    top = max(abs(bound.value) for bound in given) if given else Decimal(0)
    if len(given) < 2:
        top = max(top, Decimal(10**WHOLE_DIGITS))
    num_whole_digits = len(str(int(top)))
    given_places = max((decimal_places(bound.value) for bound in given), default=0)
    places = max(DOUBLE_DIGITS - num_whole_digits, given_places, 0)
    if max_places is not None:
        assert given_places <= max_places, f"bounds: expected at most {max_places} places, got {given_places}"
        places = max_places
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
        any_fraction = optional(concat(Literal("."), repeat(DIGIT, 1, places))) if places else EMPTY
        options.append(concat(natural_range(low_whole + 1, high_whole - 1), any_fraction))
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
    anything = repeat(DIGIT, 0, rest) if rest else EMPTY
    if high is None:
        return _fraction_from(low, low_open)
    between = concat(digits_between(int(low[0]) + 1, int(high[0]) - 1), anything)
    at_low = [concat(Literal(low[0]), _at_least(low[1:], low_open))]
    at_high = [concat(Literal(high[0]), _at_most(high[1:], high_open))]
    return either([*at_low, between, *at_high])


def _fraction_from(low: str, is_open: bool) -> Expression:
    """Non-empty digit strings not below `low`."""
    rest = len(low) - 1
    above = concat(digits_between(int(low[0]) + 1, 9), repeat(DIGIT, 0, rest) if rest else EMPTY)
    return either([above, concat(Literal(low[0]), _at_least(low[1:], is_open))])


def _at_least(low: str, is_open: bool) -> Expression:
    """Digit strings, perhaps empty, at most as long as `low` and not below it when filled with zeros."""
    options: list[Expression] = []
    for index in range(len(low)):
        rest = len(low) - index - 1
        above = digits_between(int(low[index]) + 1, 9)
        options.append(concat(Literal(low[:index]), above, repeat(DIGIT, 0, rest) if rest else EMPTY))
    options += [Literal(low[:end]) for end in range(len(low) + 1) if not is_open and not low[end:].strip("0")]
    return either(options)


def _at_most(high: str, is_open: bool) -> Expression:
    """Digit strings, perhaps empty, at most as long as `high` and not above it when filled with zeros."""
    options: list[Expression] = []
    for index in range(len(high)):
        rest = len(high) - index - 1
        below = digits_between(0, int(high[index]) - 1)
        options.append(concat(Literal(high[:index]), below, repeat(DIGIT, 0, rest) if rest else EMPTY))
    options += [Literal(high[:end]) for end in range(len(high) + 1) if not is_open or high[end:].strip("0")]
    return either(options)

"""Multiples as JSON text: numbers whose last digits make them multiples of a decimal."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ..rules.char_set import ASCII_DIGITS, CharSet
from ..rules.expression import Chars, Expression, Literal, concat, either, optional, repeat
from .decimals import decimal_places
from .numbers import Bound

MAX_LAST_DIGITS = 3
MAX_ENDINGS = 250
WHOLE_DIGITS = 12

_DIGIT = Chars(ASCII_DIGITS)
_NONZERO = Chars(CharSet.of([(0x31, 0x39)]))


def multiples(divisor: Decimal, *, has_negative: bool = True) -> tuple[Expression, bool] | None:
    """Multiples of `divisor`, and whether all of these numbers are; None where their last digits tell nothing.

    What the last digits of a number say is whether 2 and 5 divide it as often as they divide the divisor.

        0.05  ->  whole "." [0-9] [05]           60  ->  ... 00 | 20 | 40 | 60 | 80   (not all of them multiples)
    """
    places = decimal_places(divisor)
    scaled = int(divisor.scaleb(places))
    rest = scaled
    powers = []
    for factor in (2, 5):
        power = 0
        while rest % factor == 0:
            rest //= factor
            power += 1
        powers.append(power)
    num_last = max(*powers, places)
    step = scaled // rest
    if num_last == 0 or num_last > MAX_LAST_DIGITS or 10**num_last // step > MAX_ENDINGS:
        return None
    endings = [f"{ending:0{num_last}d}" for ending in range(0, 10**num_last, step)]
    numbers = either(_ending_with(ending, places) for ending in endings)
    zero = Literal("0")
    signed = concat(Literal("-"), numbers)
    return either([zero, numbers, *([signed] if has_negative else [])]), rest == 1


def _ending_with(digits: str, places: int) -> Expression:
    """Numbers above 0 whose last digits, `places` of them after the point, are `digits`."""
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :].rstrip("0")
    tail = Literal(whole + (f".{fraction}" if fraction else ""))
    before = concat(_NONZERO, repeat(_DIGIT, 0, WHOLE_DIGITS - len(digits)))
    options = [concat(before, tail)]
    if digits.strip("0"):
        options.append(Literal((whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")))
    return either(options)


def rounded_inward(bound: Bound | None, places: int, *, is_lower: bool) -> Bound | None:
    """The bound that means the same to numbers of at most `places` digits after the point."""
    if bound is None or decimal_places(bound.value) <= places:
        return bound
    rounding = ROUND_CEILING if is_lower else ROUND_FLOOR
    return Bound(bound.value.quantize(Decimal(1).scaleb(-places), rounding=rounding))


def with_places(places: int, *, has_negative: bool = True) -> Expression:
    """All numbers of at most `places` digits after the point."""
    whole = either([Literal("0"), concat(_NONZERO, repeat(_DIGIT, 0, WHOLE_DIGITS))])
    return concat(
        optional(Literal("-")) if has_negative else Literal(""),
        whole,
        optional(concat(Literal("."), repeat(_DIGIT, 1, places))),
    )

"""NumberReach: whether a number that has begun can still become a multiple, within the digits its grammar gives it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import ceil, floor, gcd


@dataclass(frozen=True, slots=True)
class NumberReach:
    """Multiples of all of some divisors, between two bounds, with so many digits before and after the point at most.

    A grammar that cannot count to the next multiple lets digits through that no multiple begins with: of 123456789
    there is none among the numbers of nine digits that begin with 2.
    """

    divisor: Fraction
    """The least common multiple of the divisors, and of what the last place counts."""
    num_whole_digits: int
    num_places: int
    low: Decimal | None = None
    high: Decimal | None = None

    def can_become(self, text: bytes) -> bool:
        """Whether some multiple begins with `text`; True of what is no beginning of a number without exponent."""
        digits = text[1:] if text[:1] == b"-" else text
        whole, point, fraction = digits.partition(b".")
        if not (whole + fraction).isdigit():
            return True
        num_more = 0 if point or whole == b"0" else self.num_whole_digits - len(whole)
        unit = 10**self.num_places
        least = int(whole) * unit
        span = unit
        if point:
            least += int(fraction or b"0") * 10 ** (self.num_places - len(fraction))
            span = 10 ** max(0, self.num_places - len(fraction))
        is_negative = digits is not text
        return any(self._has_multiple(least * 10**more, span * 10**more, is_negative) for more in range(num_more + 1))

    def is_ample(self, text: bytes, num_digits: int) -> bool:
        """Whether `num_digits` more digits before the point, whatever they are, surely leave room for a multiple."""
        if self.low is not None or self.high is not None or b"." in text:
            return False
        num_left = self.num_whole_digits - len(text) - num_digits
        return num_left > 0 and 10**num_left >= self.divisor

    def _has_multiple(self, least: int, span: int, is_negative: bool) -> bool:
        """Whether one is in the `span` units from `least` on, on its side of zero."""
        unit = 10**self.num_places
        step = self.divisor * unit
        first, last = least, least + span - 1
        if is_negative:
            first, last = -last, -first
        if self.low is not None:
            first = max(first, ceil(Fraction(self.low) * unit))
        if self.high is not None:
            last = min(last, floor(Fraction(self.high) * unit))
        return bool(floor(Fraction(last) / step) * step >= first)


def common_multiple(divisors: Iterable[Decimal]) -> Fraction:
    """The least number that is a multiple of each of them."""

    def both(first: Fraction, second: Fraction) -> Fraction:
        top = first.numerator * second.numerator // gcd(first.numerator, second.numerator)
        return Fraction(top, gcd(first.denominator, second.denominator))

    return reduce(both, (Fraction(divisor) for divisor in divisors))

"""NumberReach: against every number of few digits."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.guards.number_reach import NumberReach, common_multiple

WHOLE, PLACES = 2, 1
NUMBERS = [
    f"{sign}{whole}{fraction}"
    for sign in ("", "-")
    for whole in range(10**WHOLE)
    for fraction in ("", *(f".{digit}" for digit in range(10)))
]
BEGINNINGS = sorted({text[:end] for text in NUMBERS for end in range(1, len(text) + 1)} - {"-"})
divisors = st.lists(st.sampled_from([2, 7, 6, 15, "1.5", "0.7", "12.3"]), min_size=1, max_size=2).map(
    lambda values: [Decimal(value) for value in values]
)
bounds = st.none() | st.integers(-40, 40).map(Decimal)


@settings(max_examples=25, deadline=None)
@given(divisors, bounds, bounds)
def test_it_is_what_counting_says(given_divisors: list[Decimal], low: Decimal | None, high: Decimal | None) -> None:
    divisor = common_multiple([Decimal("0.1"), *given_divisors])
    reach = NumberReach(divisor, WHOLE, PLACES, low, high)
    possible = {
        text[:end]
        for text in NUMBERS
        if Fraction(text) % divisor == 0
        and (low is None or Decimal(text) >= low)
        and (high is None or Decimal(text) <= high)
        for end in range(1, len(text) + 1)
    }
    wrong = [text for text in BEGINNINGS if reach.can_become(text.encode()) is not (text in possible)]
    assert not wrong, wrong[:5]


def test_the_common_multiple() -> None:
    assert common_multiple([Decimal("0.5"), Decimal("0.75")]) == Fraction(3, 2)
    assert common_multiple([Decimal(1), Decimal("0.123456789")]) == 123456789


def test_where_there_is_room_nothing_is_asked() -> None:
    reach = NumberReach(Fraction(60), 12, 0)
    assert reach.is_ample(b"12345", 4)
    assert not reach.is_ample(b"123456", 5)
    assert not NumberReach(Fraction(60), 12, 0, high=Decimal(100)).is_ample(b"1", 1)

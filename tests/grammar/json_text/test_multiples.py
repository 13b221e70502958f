"""Multiples by their last digits."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.grammar.json_text.multiples import multiples, rounded_inward, with_places
from palmette.grammar.json_text.numbers import Bound
from palmette.grammar.rules.expression import matches

_DIVISORS = [Decimal(text) for text in ("2", "5", "10", "25", "60", "100", "6", "0.5", "0.05", "2.5", "0.125", "1.2")]


@given(st.sampled_from(_DIVISORS), st.integers(-(10**7), 10**7), st.integers(0, 3))
def test_every_multiple_and_little_else(divisor: Decimal, scaled: int, places: int) -> None:
    found = multiples(divisor)
    assert found is not None
    expression, is_exact = found
    value = Decimal(scaled).scaleb(-places).normalize()
    text = format(value, "f")
    is_multiple = value % divisor == 0
    assert matches(expression, text) >= is_multiple
    if is_exact:
        assert matches(expression, text) is is_multiple


@given(st.sampled_from(_DIVISORS), st.integers(-(10**5), 10**5))
def test_products_are_written(divisor: Decimal, factor: int) -> None:
    found = multiples(divisor)
    assert found is not None
    assert matches(found[0], format((divisor * factor).normalize() if factor else Decimal(0), "f"))


@pytest.mark.parametrize("divisor", ["3", "7", "0.0001", "1024"])
def test_none_where_last_digits_do_not_tell(divisor: str) -> None:
    assert multiples(Decimal(divisor)) is None


@pytest.mark.parametrize(
    ("bound", "is_lower", "expected"),
    [("0.125", True, "0.13"), ("0.125", False, "0.12"), ("-0.125", True, "-0.12"), ("0.5", True, "0.5")],
)
def test_bounds_are_rounded_inward(bound: str, is_lower: bool, expected: str) -> None:
    rounded = rounded_inward(Bound(Decimal(bound)), 2, is_lower=is_lower)
    assert rounded is not None
    assert rounded.value == Decimal(expected)


@pytest.mark.parametrize(("text", "expected"), [("1.25", True), ("-0.5", True), ("0", True), ("1.125", False)])
def test_places(text: str, expected: bool) -> None:
    assert matches(with_places(2), text) is expected

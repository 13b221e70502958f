"""Ranges of numbers against the numbers themselves."""

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.json_text.decimals import decimal_range
from palmette.grammar.json_text.numbers import Bound, any_integer, any_number, integer_range
from palmette.grammar.rules.expression import matches

_DECIMALS = st.decimals(-1500, 1500, allow_nan=False, places=2) | st.integers(-1200, 1200).map(Decimal)
_BOUNDS = st.none() | st.builds(Bound, _DECIMALS, st.booleans())


def _is_within(value: Decimal, lower: Bound | None, upper: Bound | None) -> bool:
    if lower is not None and (value < lower.value or (lower.is_exclusive and value == lower.value)):
        return False
    return upper is None or not (value > upper.value or (upper.is_exclusive and value == upper.value))


@settings(max_examples=150, deadline=None)
@given(_BOUNDS, _BOUNDS, st.lists(st.integers(-2000, 2000), min_size=1, max_size=8))
def test_integer_range(lower: Bound | None, upper: Bound | None, values: list[int]) -> None:
    expression = integer_range(lower, upper)
    near = [int(bound.value) + step for bound in (lower, upper) if bound is not None for step in (-1, 0, 1)]
    for value in [*values, *near]:
        assert matches(expression, str(value)) is _is_within(Decimal(value), lower, upper), value
        assert not matches(expression, f"0{value}")
    assert not matches(expression, "-0")


@settings(max_examples=120, deadline=None)
@given(_BOUNDS, _BOUNDS, st.lists(st.decimals(-2000, 2000, allow_nan=False, places=3), min_size=1, max_size=8))
def test_decimal_range(lower: Bound | None, upper: Bound | None, values: list[Decimal]) -> None:
    expression = decimal_range(lower, upper)
    assert expression is not None
    step = Decimal("0.001")
    near = [bound.value + change for bound in (lower, upper) if bound is not None for change in (-step, 0 * step, step)]
    for value in [*values, *near]:
        text = format(value, "f")
        if text.startswith("-") and value == 0:
            assert not matches(expression, text)
            continue
        assert matches(expression, text) is _is_within(value, lower, upper), text
        if "." in text and not text.endswith("0"):
            assert not matches(expression, text + ".")
            assert not matches(expression, "0" + text)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**17), 10**17)))
def test_any_number(value: float) -> None:
    text = json.dumps(value)
    mantissa = text.lstrip("-").partition("e")[0]
    whole, _, fraction = mantissa.partition(".")
    has_room = len(whole) <= 15 and len(fraction) <= 15 and len(text.partition("e")[2].lstrip("+-")) <= 2
    assert matches(any_number(), text) is has_room
    if isinstance(value, int):
        assert matches(any_integer(), text)


def test_an_exclusive_bound_no_double_tells_apart() -> None:
    assert decimal_range(Bound(Decimal("0.1234567890123456"), is_exclusive=True), None) is None
    assert decimal_range(Bound(Decimal("0.1234567890123456")), None) is not None

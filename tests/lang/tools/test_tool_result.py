"""What tools give back becomes plain JSON."""

import math
from collections import namedtuple
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.lang.tools.tool_result import json_text, json_value


@dataclass
class Point:
    x: int
    y: float


class Line(msgspec.Struct):
    points: list[Point]


class Colour(Enum):
    RED = "red"


class Named(TypedDict):
    name: str


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (Line([Point(1, 2.5)]), {"points": [{"x": 1, "y": 2.5}]}),
        (Colour.RED, "red"),
        (Named(name="a"), {"name": "a"}),
        (Pair(1, (2, 3)), [1, [2, 3]]),
        ({1: {2}}, {"1": [2]}),
        ((date(2024, 2, 29), Decimal("1.50")), ["2024-02-29", "1.50"]),
    ],
)
def test_values_become_plain(value: object, expected: object) -> None:
    assert json_value(value) == expected


def test_pydantic_models_become_plain() -> None:
    pydantic = pytest.importorskip("pydantic")
    Model = pydantic.create_model("Model", day=(date, ...), inner=(Point, ...))
    value = [Model(day=date(2024, 1, 2), inner=Point(1, 2))]
    assert json_value(value) == [{"day": "2024-01-02", "inner": {"x": 1, "y": 2.0}}]


@pytest.mark.parametrize("value", [object(), [lambda: 0], math.nan, {"x": math.inf}], ids=str)
def test_what_json_cannot_say(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        json_value(value)


def test_texts_are_read_as_they_are() -> None:
    assert json_text('a "b"\n') == 'a "b"\n'
    assert json_text({"ä": [1.0, None]}) == '{"ä": [1.0, null]}'


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(_JSON)
def test_json_stays_as_it_is(value: Any) -> None:
    assert json_value(value) == value

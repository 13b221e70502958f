"""@tool: signatures become schemas, JSON becomes calls."""

import json
from enum import Enum, IntEnum
from typing import Literal, Optional

import pytest

import palmette as sgl
from palmette.lang.docstring import parse_docstring


class Unit(Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@sgl.tool
def forecast(
    city: str,
    days: int = 3,
    unit: Unit = Unit.CELSIUS,
    mode: Literal["short", "long"] = "short",
    tags: list[str] | None = None,
    weights: dict[str, float] | None = None,
    *,
    exact: bool = False,
    level: Level | None = None,
) -> str:
    """Get the weather forecast
    of a city.

    More that the model need not read.

    Args:
        city: The name of the city,
            in English.
        days (int): How many days.
        unit: °C or °F.

    Returns:
        A sentence.
    """
    return f"{city} {days} {unit.name} {mode} {tags} {weights} {exact} {level}"


def test_the_schema() -> None:
    assert (forecast.name, forecast.description) == ("forecast", "Get the weather forecast of a city.")
    assert forecast.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The name of the city, in English."},
            "days": {"type": "integer", "description": "How many days."},
            "unit": {"type": "string", "enum": ["C", "F"], "description": "°C or °F."},
            "mode": {"type": "string", "enum": ["short", "long"]},
            "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
            "weights": {"anyOf": [{"type": "object", "additionalProperties": {"type": "number"}}, {"type": "null"}]},
            "exact": {"type": "boolean"},
            "level": {"anyOf": [{"enum": [1, 2]}, {"type": "null"}]},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    declared = forecast.tool
    assert (declared.name, declared.description) == (forecast.name, forecast.description)
    assert json.loads(declared.parameters) == forecast.parameters


def test_it_stays_a_function() -> None:
    assert forecast("Rome", exact=True) == "Rome 3 CELSIUS short None None True None"
    assert forecast.__name__ == "forecast"
    assert forecast.__doc__.startswith("Get the weather")


def test_calls_from_json_are_converted() -> None:
    arguments = {"city": "Rome", "days": 2.0, "unit": "F", "tags": ["a"], "weights": {"x": 1}, "level": 2}
    expected = "Rome 2 FAHRENHEIT short ['a'] {'x': 1.0} False 2"
    assert forecast.call_json(arguments) == expected
    assert forecast.call_json(json.dumps(arguments)) == expected
    assert forecast.call_json({"city": "Rome"}) == forecast("Rome")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "missing.*city"),
        ({"city": "Rome", "country": "Italy"}, "unknown.*country"),
        ({"city": 5}, "city: expected a string, got 5"),
        ({"city": "Rome", "days": True}, "days: expected an integer"),
        ({"city": "Rome", "days": 2.5}, "days: expected an integer"),
        ({"city": "Rome", "unit": "K"}, "unit: expected one of"),
        ({"city": "Rome", "level": True}, "level: expected one of .1, 2. or null, got True"),
        ({"city": "Rome", "tags": ["a", 1]}, "tags: expected a string or null|tags"),
        ({"city": "Rome", "weights": {"x": "y"}}, "weights"),
        ({"city": "Rome", "exact": 1}, "exact: expected true or false"),
        ("[1]", "a JSON object"),
        ("{", "JSON text"),
    ],
)
def test_wrong_calls(arguments, message: str) -> None:
    with pytest.raises(sgl.InvalidArgument, match=message):
        forecast.call_json(arguments)


def test_name_and_description_can_be_given() -> None:
    @sgl.tool(name="add-up", description="Adds.")
    def add(a: float, b: Optional[float] = None) -> float:  # noqa: UP045 - the old form, too
        return a + (b or 0)

    assert (add.name, add.description) == ("add-up", "Adds.")
    assert add.call_json({"a": 1, "b": 2}) == 3.0
    assert isinstance(add.call_json({"a": 1}), float)


def star(*numbers: int) -> None: ...
def double_star(**numbers: int) -> None: ...
def positional(number: int, /) -> None: ...
def bare(number) -> None: ...
def wrong_type(number: complex) -> None: ...
def bare_list(numbers: list) -> None: ...
def int_keys(numbers: dict[int, str]) -> None: ...
def inner_type(numbers: list[set[int]]) -> None: ...
def unreadable(number: "Nowhere") -> None: ...  # noqa: F821
def bytes_literal(number: Literal[b"x"]) -> None: ...
async def waits(number: int) -> None: ...


@pytest.mark.parametrize(
    ("func", "parts"),
    [
        (star, ["'star'", "'numbers'", "variadic positional"]),
        (double_star, ["'double_star'", "'numbers'", "variadic keyword"]),
        (positional, ["'number'", "positional-only"]),
        (bare, ["'bare'", "'number'", "no annotation", "str, int"]),
        (wrong_type, ["'number'", "complex", "list[T]"]),
        (bare_list, ["'numbers'", "list", "list[T]"]),
        (int_keys, ["dict[int, str]", "dict[str, T]"]),
        (inner_type, ["set[int]"]),
        (unreadable, ["Nowhere"]),
        (bytes_literal, ["b'x'"]),
        (waits, ["'waits'", "awaits"]),
        (lambda x: x, ["'<lambda>'", "name"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_unsupported_signatures(func, parts: list[str]) -> None:
    with pytest.raises(sgl.UnsupportedTool) as caught:
        sgl.tool(func)
    for part in parts:
        assert part in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_a_tool_without_parameters_or_docstring() -> None:
    @sgl.tool
    def now():
        return "noon"

    assert now.description == ""
    assert now.parameters == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert now.call_json({}) == "noon"


def test_docstrings() -> None:
    assert parse_docstring(None).summary == ""
    parsed = parse_docstring("One.\nArgs:\n  a: x\n    y: z\n  *b (int): w\nReturns:\n  c: no\n")
    assert parsed.summary == "One."
    assert parsed.arguments == {"a": "x y: z", "b": "w"}


@pytest.mark.parametrize(("wrong", "found"), [(3, "no function"), (dict, "a class"), (None, "no function")])
def test_only_functions_are_tools(wrong, found: str) -> None:
    with pytest.raises(sgl.UnsupportedTool, match=found):
        sgl.tool()(wrong)
    with pytest.raises(sgl.UnsupportedTool, match=found):
        sgl.agent(tools=[wrong])


def test_a_default_need_not_be_json() -> None:
    nothing = object()

    @sgl.tool
    def ask(number: int = nothing) -> bool:
        """Say whether a number came."""
        return number is not nothing

    assert ask.parameters["required"] == []
    assert (ask.call_json({}), ask.call_json({"number": 2})) == (False, True)

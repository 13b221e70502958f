"""@tool: signatures become schemas, JSON becomes calls."""

import asyncio
import functools
import json
import threading
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Annotated, Literal, Optional, TypedDict

import msgspec
import pytest

import palmette as sgl


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
def inner_type(numbers: list[complex]) -> None: ...
def unreadable(number: "Nowhere") -> None: ...  # noqa: F821
def bytes_literal(number: Literal[b"x"]) -> None: ...
def yields(number: int):
    yield number


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
        (inner_type, ["list[complex]", "complex"]),
        (unreadable, ["Nowhere"]),
        (bytes_literal, ["b'x'"]),
        (yields, ["'yields'", "yields"]),
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


@dataclass
class Place:
    name: str
    tags: list[str] = field(default_factory=list)


class Size(TypedDict):
    width: int


class Guest(msgspec.Struct):
    name: str
    age: Annotated[int, msgspec.Meta(ge=0, le=150)]


def test_records_as_arguments() -> None:
    @sgl.tool
    def book(place: Place, guests: list[Guest], size: Size) -> str:
        """Book.

        :param guests: who comes
        """
        return f"{place.name} {place.tags} {[guest.age + 1 for guest in guests]} {size['width']}"

    arguments = {"place": {"name": "Inn"}, "guests": [{"name": "Ann", "age": 3}], "size": {"width": 2}}
    assert book.call_json(arguments) == "Inn [] [4] 2"
    assert book.parameters["properties"]["guests"]["description"] == "who comes"
    text = json.dumps(book.parameters)
    assert all(f'"#/$defs/{name}"' in text or f'"{name}"' in text for name in ("width", "tags", "age"))
    with pytest.raises(sgl.InvalidArgument, match=r"guests\[0\]\.age"):
        book.call_json({**arguments, "guests": [{"name": "Ann", "age": 151}]})


def test_pydantic_arguments() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):
        item: str
        count: Annotated[int, pydantic.Field(ge=1)] = 1

    def buy(order: "Order") -> str:
        assert isinstance(order, Order)
        return f"{order.count} {order.item}"

    buy.__annotations__["order"] = Order
    assert sgl.tool(buy).call_json({"order": {"item": "mug"}}) == "1 mug"
    with pytest.raises(sgl.InvalidArgument, match=r"order\.count"):
        sgl.tool(buy).call_json({"order": {"item": "mug", "count": 0}})


class Shop:
    """A shop."""

    def __init__(self, prices: dict[str, int]) -> None:
        self.prices = prices

    @sgl.tool
    def price(self, item: str) -> int:
        """Look up a price.

        Args:
            item: what is sold
        """
        return self.prices[item]

    @sgl.tool(name="name_of_the_shop", timeout=2.5)
    @classmethod
    def name(cls, loud: bool = False) -> str:
        return cls.__name__.upper() if loud else cls.__name__

    @sgl.tool
    @staticmethod
    def double(number: int) -> int:
        return 2 * number

    @staticmethod
    @sgl.tool
    def triple(number: int) -> int:
        return 3 * number

    def plain(self, item: str) -> int:
        """Look up."""
        return self.prices[item]

    def __call__(self, item: str) -> int:
        """Call the shop."""
        return self.prices[item]


def test_methods() -> None:
    shop = Shop({"pen": 2})
    for price in (shop.price, sgl.tool(shop.plain), sgl.tool(name="price")(shop), sgl.tool(shop)):
        assert list(price.parameters["properties"]) == ["item"]
        assert price.call_json({"item": "pen"}) == 2
    assert shop.price("pen") == Shop.price(shop, "pen") == 2
    assert shop.price.parameters["properties"]["item"]["description"] == "what is sold"
    assert (sgl.tool(shop).name, sgl.tool(shop).description) == ("Shop", "Call the shop.")
    assert shop.name.call_json({"loud": True}) == Shop.name.call_json({"loud": True}) == "SHOP"
    assert (shop.name.name, shop.name.timeout) == ("name_of_the_shop", 2.5)
    assert shop.double.call_json({"number": 2}) == Shop.double(2) == 4
    assert shop.triple.call_json({"number": 2}) == Shop.triple(2) == 6


def test_a_method_of_no_object_is_refused() -> None:
    with pytest.raises(sgl.UnsupportedTool, match=r"price.*no object"):
        sgl.agent([Shop.price])
    with pytest.raises(sgl.UnsupportedTool, match=r"price.*no object"):
        Shop.price.call_json({"item": "pen"})


def test_partials_hide_what_they_fill_in() -> None:
    def send(connection: object, to: str, text: str = "", *, sign: complex = 1j) -> str:
        """Send a text."""
        return f"{connection} {to} {text} {sign}"

    filled = sgl.tool(functools.partial(functools.partial(send, "line"), sign=2j))
    assert (filled.name, filled.description) == ("send", "Send a text.")
    assert list(filled.parameters["properties"]) == ["to", "text"]
    assert filled.call_json({"to": "Ann"}) == "line Ann  2j"
    with pytest.raises(sgl.InvalidArgument, match="unknown"):
        filled.call_json({"to": "Ann", "sign": 1})


@sgl.tool
async def fetch(url: str) -> str:
    """Fetch."""
    await asyncio.sleep(0)
    return url.upper()


def test_async_functions() -> None:
    assert fetch.is_async
    assert not forecast.is_async
    assert asyncio.run(fetch("a")) == asyncio.run(fetch.call_json({"url": "a"})) == "A"
    assert asyncio.run(fetch.acall_json({"url": "a"})) == "A"
    assert asyncio.run(forecast.acall_json('{"city": "Rome"}')) == forecast("Rome")


def test_a_function_that_returns_a_coroutine_is_awaited() -> None:
    @sgl.tool
    @functools.wraps(fetch._func)
    def wrapped(url: str):
        return fetch(url)

    assert asyncio.run(wrapped.acall_json({"url": "a"})) == "A"


def test_time_outs() -> None:
    release = threading.Event()

    @sgl.tool(timeout=0.001)
    def block() -> None:
        release.wait()

    @sgl.tool
    async def hang() -> None:
        await asyncio.Event().wait()

    @sgl.tool(timeout=30)
    async def own() -> None:
        raise TimeoutError("my own")

    with pytest.raises(TimeoutError, match=r"block gave no result within 0.001 s"):
        asyncio.run(block.acall_json({}, timeout=30))
    release.set()
    with pytest.raises(TimeoutError, match=r"hang gave no result within 0.001 s"):
        asyncio.run(hang.acall_json({}, timeout=0.001))
    with pytest.raises(TimeoutError, match="my own"):
        asyncio.run(own.acall_json({}))
    for wrong in (0, -1, "2", True, float("nan")):
        with pytest.raises(sgl.InvalidArgument, match="timeout"):
            sgl.tool(timeout=wrong)(fetch._func)


def test_functions_written_in_c() -> None:
    with pytest.raises(sgl.UnsupportedTool, match="max"):
        sgl.tool(max)

"""JSON Schemas as people write them: layout, order, readings, models of pydantic and msgspec."""

import enum
import json
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
import pydantic
import pytest

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import GrammarError
from palmette.grammar.spec import JsonSchema

# What people write


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Tree(pydantic.BaseModel):
    value: int
    children: list["Tree"] = []


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: Annotated[int, pydantic.Field(ge=1, le=9)]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    name: Annotated[str, pydantic.Field(min_length=1, max_length=8)]


class Person(pydantic.BaseModel):
    """A person."""

    model_config = pydantic.ConfigDict(extra="forbid")
    name: str
    age: Annotated[int, pydantic.Field(ge=0, lt=150)]
    colour: Colour | None = None
    scores: dict[str, float] = {}
    place: tuple[float, float] | None = None
    zip_code: Annotated[str, pydantic.Field(pattern=r"^\d{5}(-\d{4})?$")] = "00000"
    ratio: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.5
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Event(msgspec.Struct):
    title: Annotated[str, msgspec.Meta(max_length=20)]
    tags: Annotated[list[str], msgspec.Meta(min_length=1, max_length=3)]
    when: str | None = None
    next: "Event | None" = None


@pytest.mark.parametrize("whitespace", ["compact", "spaced", "flexible", 2])
@pytest.mark.parametrize("model", [Tree, Person])
def test_pydantic_models(walker, model: type[pydantic.BaseModel], whitespace: str | int) -> None:
    constraint = JsonSchema(json.dumps(model.model_json_schema()), whitespace=whitespace)
    num_finished = 0
    for seed in range(8):
        text = walker.walk(constraint, seed, max_tokens=80)
        if text is not None:
            model.model_validate_json(text)
            num_finished += 1
    assert num_finished >= 4
    walker.check_documents(constraint)


def test_msgspec_structs(walker) -> None:
    constraint = JsonSchema(json.dumps(msgspec.json.schema(Event)), whitespace="compact")
    assert walker.check_documents(constraint) >= 4
    text = msgspec.json.encode(Event("t", ["a"], None, Event("u", ["b"]))).decode()
    assert accepts(constraint, text)


def test_properties_come_as_declared(schema_of: Callable[..., JsonSchema]) -> None:
    constraint = schema_of({"type": "object", "properties": {"b": {"type": "null"}, "a": {"type": "null"}}})
    for text, expected in [
        ("{}", True),
        ('{"b":null,"a":null}', True),
        ('{"a":null}', True),
        ('{"a":null,"b":null}', False),
    ]:
        assert accepts(constraint, text) is expected


@pytest.mark.parametrize(
    ("whitespace", "text"),
    [
        ("compact", '{"a":[1,2],"b":{}}'),
        ("spaced", '{"a": [1, 2], "b": {}}'),
        ("flexible", '{ "a" :\n[1 ,\t2],"b":{ } }'),
        (2, json.dumps({"a": [1, 2], "b": {}}, indent=2)),
        (0, json.dumps({"a": [1, 2], "b": {}}, indent=0)),
    ],
)
def test_white_space(schema_of: Callable[..., JsonSchema], whitespace: str | int, text: str) -> None:
    properties = {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"type": "object"}}
    constraint = schema_of({"type": "object", "properties": properties, "required": ["a"]}, whitespace=whitespace)
    assert accepts(constraint, text)
    assert not accepts(constraint, text + " ")
    others = ["compact", "spaced", 2, 0]
    assert sum(accepts(msgspec.structs.replace(constraint, whitespace=other), text) for other in others) <= 1


@pytest.mark.parametrize("whitespace", ["wide", -1, 99, True])
def test_unknown_white_space_raises(schema_of: Callable[..., JsonSchema], whitespace: object) -> None:
    with pytest.raises(GrammarError, match="whitespace"):
        accepts(schema_of({}, whitespace=whitespace), "1")


def test_readings_differ_in_what_is_left_open(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {"properties": {"a": {"minimum": 1}}}
    for text, is_tight in [('{"a":1}', True), ('{"a":"x"}', False), ('{"b":1}', False), ("3", False)]:
        assert accepts(schema_of(schema), text) is is_tight
        assert accepts(schema_of(schema, reading="literal"), text)
    assert not accepts(schema_of(schema, reading="literal"), '{"a":0}')


def test_additional_keys_are_none_of_the_declared(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {"properties": {"ab": {"type": "null"}, 'q"': False}, "additionalProperties": {"type": "integer"}}
    constraint = schema_of(schema)
    for key in ("a", "abc", "b", "", "q", '\\"'):
        assert accepts(constraint, f'{{"{key}":1}}'), key
    for key in ("ab", "\\u0061b", 'q\\"', "q\\u0022"):
        assert not accepts(constraint, f'{{"{key}":1}}'), key


@pytest.mark.parametrize(
    "text",
    ['"\\ud800"', '"\\udc00\\ud800"', '"\n"', '"\\x"', '"a', "01", "-", "1.", ".5", "+1", "NaN", "1e", "-01", ""],
)
def test_what_is_not_json_is_not_accepted(text: str) -> None:
    assert not accepts(JsonSchema("{}", whitespace="compact"), text)


@pytest.mark.parametrize(
    "text", ['"\\ud83d\\ude00"', '"\\u00e9\\/"', '"😀"', "-0.5e-7", "0", "[[],{}]", '{"":null}', "1e5", '"\x7f"']
)
def test_what_is_json_is_accepted(text: str) -> None:
    json.loads(text)
    assert accepts(JsonSchema("{}", whitespace="compact"), text)


def test_lengths_count_characters(schema_of: Callable[..., JsonSchema]) -> None:
    for low, high in ((0, 2), (2, 40), (31, 64), (40, None), (0, 33), (0, 64)):
        constraint = schema_of({"type": "string", "minLength": low, **({} if high is None else {"maxLength": high})})
        for length in (0, 1, 2, 3, 30, 31, 32, 33, 39, 40, 41, 63, 64, 65, 70):
            expected = low <= length and (high is None or length <= high)
            assert accepts(constraint, f'"{"é" * length}"') is expected
            pairs = "\\ud83d\\ude00" * length
            assert accepts(constraint, f'"{pairs}"') is expected

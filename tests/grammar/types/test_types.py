"""Python types: schemas that are enforced, and the way back from JSON."""

import datetime as dt
import enum
import json
import subprocess
import sys
import typing
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, Required, TypedDict, TypeVar

import annotated_types as at
import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.acceptance import accepts
from palmette.grammar.spec import JsonSchema
from palmette.grammar.types.value_type import TypeMismatch, UnsupportedType, ValueType, object_schema

T = TypeVar("T")
Small = typing.NewType("Small", Annotated[int, at.Lt(9), at.Ge(-5)])  # type: ignore[valid-newtype]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Address:
    street: str
    zip: Annotated[str, msgspec.Meta(pattern="^[0-9]{5}$")]


@dataclass(frozen=True)
class Person:
    name: str
    age: Annotated[int, msgspec.Meta(ge=0, le=150)]
    address: Address
    tags: tuple[str, ...] = ()
    colour: Colour | None = None


@dataclass
class Node:
    value: int
    children: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Box(Generic[T]):
    item: T
    more: list[T]


@dataclass
class Checked:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Point(NamedTuple):
    x: int
    y: float = 0.5


class Movie(TypedDict, total=False):
    title: Required[str]
    year: int


class Song(TypedDict):
    title: str
    seconds: NotRequired["int | None"]


class Cat(msgspec.Struct, tag=True, rename="camel"):
    num_lives: int


class Dog(msgspec.Struct, tag="dog", tag_field="kind"):
    barks: bool
    friends: list["Dog"] = []


class Eager(msgspec.Struct):
    name: str

    def __post_init__(self) -> None:
        self.name.upper()  # fails where the name has not come


class Team(pydantic.BaseModel):
    name: str = pydantic.Field(alias="teamName", min_length=1)
    budget: Decimal
    founded: dt.date | None = None
    members: list[Person] = []
    rivals: list["Team"] = []
    ids: set[int] = set()


class Tags(pydantic.RootModel[list[str]]):
    pass


@pydantic.dataclasses.dataclass
class Pair:
    left: int
    right: str = "r"


class Strict(pydantic.BaseModel):
    x: int


class Wide(pydantic.BaseModel):
    x: str
    y: int = 0


# A type, and values of it as strategies; every one goes through all of the general tests below.

texts = st.text(st.sampled_from('ab"\\\né😀'), max_size=4)
floats = st.floats(allow_nan=False, allow_infinity=False)
addresses = st.builds(Address, texts, st.from_regex(r"\A[0-9]{5}\Z"))
people = st.builds(
    Person,
    texts,
    st.integers(0, 150),
    addresses,
    st.lists(texts, max_size=2).map(tuple),
    st.sampled_from([None, *Colour]),
)
offsets = st.integers(-720, 720).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
CASES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, texts),
    (int, st.integers()),
    (float, floats),
    (bool, st.booleans()),
    (None, st.none()),
    (Decimal, st.decimals(-1000, 1000, places=3)),
    (dt.date, st.dates()),
    (dt.datetime, st.datetimes(timezones=st.none() | offsets)),
    (dt.time, st.times(timezones=st.none() | offsets)),
    (Annotated[dt.datetime, msgspec.Meta(tz=False)], st.datetimes()),
    (Annotated[dt.time, msgspec.Meta(tz=False)], st.times()),
    (dt.timedelta, st.timedeltas(dt.timedelta(0), dt.timedelta(days=9000))),
    (uuid.UUID, st.uuids()),
    (Literal["a", "b", 3, None, True], st.sampled_from(["a", "b", 3, None, True])),
    (Literal[Colour.RED], st.just(Colour.RED)),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (list[int], st.lists(st.integers(), max_size=3)),
    (set[str], st.sets(texts, max_size=3)),
    (frozenset[int], st.frozensets(st.integers(), max_size=3)),
    (tuple[int, ...], st.lists(st.integers(), max_size=3).map(tuple)),
    (tuple[int, str], st.tuples(st.integers(), texts)),
    (tuple[()], st.just(())),
    (dict[str, float], st.dictionaries(texts, floats, max_size=3)),
    (dict[Literal["a", "b"], int], st.dictionaries(st.sampled_from("ab"), st.integers())),
    (dict[Colour, Any], st.dictionaries(st.sampled_from(Colour), st.none() | texts | floats)),
    (int | str | None, st.integers() | texts | st.none()),
    (Annotated[int | None, pydantic.Field(ge=1, lt=5)], st.none() | st.integers(1, 4)),
    (Annotated[list[Annotated[int, at.Ge(0)]], at.Len(1, 3)], st.lists(st.integers(0), min_size=1, max_size=3)),
    (Annotated[str, pydantic.StringConstraints(min_length=1, max_length=3)], st.text("ab", min_size=1, max_size=3)),
    (typing.NewType("UserId", int), st.integers()),
    (Address, addresses),
    (Person, people),
    (Node, st.recursive(st.builds(Node, st.integers()), lambda n: st.builds(Node, st.integers(), st.lists(n)))),
    (Box[int], st.builds(Box, st.integers(), st.lists(st.integers(), max_size=2))),
    (Box[Address], st.builds(Box, addresses, st.lists(addresses, max_size=2))),
    (Checked, st.builds(Checked, st.just(0), st.integers(0))),
    (Point, st.builds(Point, st.integers(), floats)),
    (Movie, st.fixed_dictionaries({"title": texts}, optional={"year": st.integers()})),
    (Song, st.fixed_dictionaries({"title": texts}, optional={"seconds": st.none() | st.integers()})),
    (Cat | Dog, st.builds(Cat, st.integers()) | st.builds(Dog, st.booleans(), st.just([]))),
    (list[Address | Movie | str], st.lists(addresses | st.builds(Movie, title=texts) | texts, max_size=3)),
    (Eager, st.builds(Eager, texts)),
    (Team, st.builds(
        Team,
        teamName=st.text("ab", min_size=1, max_size=3),
        budget=st.decimals(-10, 10, places=2),
        founded=st.none() | st.dates(),
        members=st.lists(people, max_size=1),
        rivals=st.lists(st.builds(Team, teamName=st.just("r"), budget=st.just(Decimal("1.5"))), max_size=1),
        ids=st.sets(st.integers(0, 9), max_size=2),
    )),
    (Tags, st.builds(Tags, st.lists(texts, max_size=2))),
    (Pair, st.builds(Pair, st.integers(), texts)),
    (Strict | Wide, st.builds(Strict, x=st.integers()) | st.builds(Wide, x=texts, y=st.integers())),
]  # fmt: skip
NAMES = [str(annotation) for annotation, _ in CASES]


def as_json(value: Any) -> Any:
    """A value as the JSON a model would write for it."""
    match value:
        case pydantic.BaseModel():
            return as_json(value.root) if isinstance(value, Tags) else _members_by_alias(value)
        case enum.Enum():
            return value.value
        case dt.timedelta():
            return msgspec.to_builtins(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case uuid.UUID():
            return str(value)
        case Decimal():
            return float(value)
        case dict():
            return {as_json(key): as_json(item) for key, item in value.items()}
        case _ if isinstance(value, msgspec.Struct):
            return {**msgspec.to_builtins(value)}
        case _ if hasattr(value, "__dataclass_fields__"):
            return {name: as_json(getattr(value, name)) for name in value.__dataclass_fields__}
        case _ if hasattr(value, "_asdict"):
            return as_json(value._asdict())
        case list() | tuple() | set() | frozenset():
            return [as_json(item) for item in value]
        case _:
            return value


def _members_by_alias(model: pydantic.BaseModel) -> dict[str, Any]:
    fields = type(model).model_fields
    return {info.alias or name: as_json(getattr(model, name)) for name, info in fields.items()}


@pytest.mark.parametrize(("annotation", "values"), CASES, ids=NAMES)
def test_values_come_back(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    value_type = ValueType.of(annotation)
    validator = jsonschema.Draft202012Validator(value_type.schema)

    @settings(max_examples=15, deadline=None)
    @given(values)
    def check(value: Any) -> None:
        plain = as_json(value)
        for text in (json.dumps(plain), json.dumps(plain, ensure_ascii=False, indent=1)):
            decoded = value_type.decode(text)
            assert decoded == value
            assert type(decoded) is type(value) or annotation is Decimal
        assert value_type.convert(plain) == value
        validator.validate(plain)

    check()


@pytest.mark.parametrize(("annotation", "values"), CASES, ids=NAMES)
def test_beginnings_are_shown_and_never_raise(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    value_type = ValueType.of(annotation)

    @settings(max_examples=5, deadline=None)
    @given(values)
    def check(value: Any) -> None:
        text = json.dumps(as_json(value)) + "\n"
        was_shown = False
        for end in range(len(text)):
            shown = value_type.partial(text[:end])
            assert not was_shown or shown is not None, f"what was shown is gone after {text[:end]!r}"
            was_shown = shown is not None
        assert value_type.partial(text) == value_type.decode(text)

    check()


@pytest.mark.parametrize(("annotation", "values"), CASES, ids=NAMES)
def test_what_the_grammar_lets_through_is_a_value(walker, annotation: Any, values: st.SearchStrategy[Any]) -> None:
    value_type = ValueType.of(annotation)
    constraint = JsonSchema(json.dumps(value_type.schema), whitespace="compact")
    num_finished = 0
    for seed in range(4):
        text = walker.walk(constraint, seed)
        if text is not None:
            num_finished += 1
            if annotation is not Checked:  # its own check is none of the grammar's
                assert value_type.decode(text) is not None or annotation in (None, int | str | None) or "null" in text
            jsonschema.Draft202012Validator(value_type.schema).validate(json.loads(text))
    assert num_finished


# Schemas


def test_schemas_hold_declared_properties_in_order() -> None:
    address = {
        "type": "object",
        "properties": {"street": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}},
        "required": ["street", "zip"],
        "additionalProperties": False,
    }
    assert ValueType.of(Address).schema == address
    assert ValueType.of(Person).schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "address": {"$ref": "#/$defs/Address"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "colour": {"anyOf": [{"type": "string", "enum": ["red", "blue"]}, {"type": "null"}]},
        },
        "required": ["name", "age", "address"],
        "additionalProperties": False,
        "$defs": {"Address": address},
    }
    assert list(ValueType.of(Person).schema["properties"]) == ["name", "age", "address", "tags", "colour"]


def test_a_type_that_recurs_is_a_reference() -> None:
    schema = ValueType.of(Node).schema
    assert schema["$ref"] == "#/$defs/Node"
    assert schema["$defs"]["Node"]["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    constraint = JsonSchema(json.dumps(schema), whitespace="compact")
    assert accepts(constraint, '{"value":1,"children":[{"value":2,"children":[{"value":3}]}]}')
    assert not accepts(constraint, '{"value":1,"children":[{"children":[]}]}')


def test_a_pydantic_schema_is_by_alias_and_closed() -> None:
    schema = ValueType.of(Team).schema["$defs"]["Team"]
    assert list(schema["properties"]) == ["teamName", "budget", "founded", "members", "rivals", "ids"]
    assert schema["properties"]["teamName"] == {"type": "string", "minLength": 1}
    assert schema["properties"]["budget"] == {"type": "number"}
    assert schema["required"] == ["teamName", "budget"]
    assert schema["additionalProperties"] is False
    open_model = pydantic.create_model("Open", __config__=pydantic.ConfigDict(extra="allow"), x=(int, ...))
    assert ValueType.of(open_model).schema["additionalProperties"] is True
    assert ValueType.of(open_model).decode('{"x": 1, "y": 2}').y == 2


def test_pydantic_definitions_of_one_name_are_kept_apart() -> None:
    def outer(inner_type: type) -> ValueType[Any]:
        inner = pydantic.create_model("Inner", x=(inner_type, ...))
        return ValueType.of(pydantic.create_model("Outer", inner=(inner, ...)))

    schema = object_schema({"a": outer(int), "b": outer(str)})
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"a": {"inner": {"x": 1}}, "b": {"inner": {"x": ""}}})
    assert not validator.is_valid({"a": {"inner": {"x": 1}}, "b": {"inner": {"x": 1}}})


def test_an_alias_may_lead_to_itself() -> None:
    class TypeAliasType:
        """Stands in for what `type Tree = int | dict[str, Tree]` makes since Python 3.12."""

        __name__ = "Tree"

        @property
        def __value__(self) -> Any:
            return typing.Union[int, dict[str, self]]  # noqa: UP007 - it is no type that | knows

        def __call__(self) -> None:
            """What typing wants of the arguments of its forms."""

    value_type = ValueType.of(TypeAliasType())
    assert value_type.schema["$ref"] == "#/$defs/Tree"
    assert value_type.decode('{"a": {"b": 1}, "c": 2}') == {"a": {"b": 1}, "c": 2}
    assert value_type.partial('{"a": {"b": 1') == {"a": {}}
    assert accepts(JsonSchema(json.dumps(value_type.schema)), '{"a": {"b": 1}, "c": 2}')
    with pytest.raises(TypeMismatch):
        value_type.decode('{"a": {"b": "c"}}')


def test_an_object_of_parts_has_all_definitions_at_its_root() -> None:
    other_address = dataclass(type("Address", (), {"__annotations__": {"line": str}}))
    parts = {
        "who": ValueType.of(Person),
        "where": ValueType.of(other_address),
        "team": ValueType.of(Team),
        "tree": ValueType.of(Node),
        "trees": ValueType.of(list[Node]),
    }
    schema = object_schema(parts, required=["where"], descriptions={"where": "The place.", "unknown": "-"})
    assert schema["required"] == ["where"]
    assert schema["properties"]["where"]["description"] == "The place."
    assert not any("$defs" in json.dumps(each).replace("#/$defs/", "") for each in schema["properties"].values())
    document = {"who": as_json(Person("a", 1, Address("s", "12345"))), "where": {"line": "l"}, "tree": {"value": 1}}
    document["team"] = {"teamName": "t", "budget": 1, "rivals": [{"teamName": "u", "budget": 2}]}
    document = {name: document[name] for name in parts if name in document}
    jsonschema.Draft202012Validator(schema).validate(document)
    constraint = JsonSchema(json.dumps(schema), whitespace="compact")
    assert accepts(constraint, json.dumps(document, separators=(",", ":")))
    assert not accepts(constraint, '{"where":{"street":"s","zip":"12345"}}')
    assert object_schema({"a": ValueType.of(int)})["required"] == ["a"]


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, msgspec.Meta(ge=1, lt=9, multiple_of=2, description="even")],
        Annotated[int, at.Ge(1), at.Interval(lt=9), at.MultipleOf(2), "even"],
        Annotated[int, pydantic.Field(ge=1, lt=9, multiple_of=2, description="even")],
        Annotated[int, at.Ge(1), at.Ge(0), at.Lt(9), at.Lt(12), pydantic.Field(description="even", multiple_of=2)],
        Annotated[Small, at.Ge(1), at.MultipleOf(2), "even"],
    ],
)  # fmt: skip
def test_bounds_are_read_in_any_librarys_words(annotation: Any) -> None:
    value_type = ValueType.of(annotation)
    expected = {"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "multipleOf": 2, "description": "even"}
    assert value_type.schema == expected
    assert value_type.decode("8") == 8
    for text, part in [("0", ">= 1"), ("9", "< 9"), ("3", "multiple of 2")]:
        with pytest.raises(TypeMismatch, match=part):
            value_type.decode(text)


@pytest.mark.parametrize(
    ("annotation", "wrong"),
    [
        (Annotated[str, at.Len(2, 3)], ['"a"', '"abcd"']),
        (Annotated[str, pydantic.Field(pattern="^a")], ['"ba"']),
        (Annotated[str, pydantic.StringConstraints(max_length=1)], ['"ab"']),
        (Annotated[list[int], msgspec.Meta(min_length=1)], ["[]"]),
        (Annotated[dict[str, int], at.MaxLen(1)], ['{"a": 1, "b": 2}']),
        (Annotated[set[int], at.MaxLen(1)], ["[1, 2]"]),
        (Annotated[float, at.Gt(0.5)], ["0.5", "0"]),
        (Annotated[str | list[str], at.MinLen(1)], ['""', "[]", "null"]),
        (Annotated[dt.datetime, msgspec.Meta(tz=True)], ['"2024-01-01T00:00:00"']),
        (Annotated[dt.datetime, msgspec.Meta(tz=False)], ['"2024-01-01T00:00:00Z"']),
    ],
)
def test_bounds_hold_when_decoding_and_generating(annotation: Any, wrong: list[str]) -> None:
    value_type = ValueType.of(annotation)
    for text in wrong:
        with pytest.raises(TypeMismatch):
            value_type.decode(text)
        assert not accepts(JsonSchema(json.dumps(value_type.schema)), text)


def test_plain_text_is_told_apart() -> None:
    assert ValueType.of(str).is_text
    assert ValueType.of(Annotated[str, "a name"]).is_text
    assert not any(ValueType.of(each).is_text for each in (int, str | None, Annotated[str, at.MinLen(1)], Literal["a"]))


def test_the_order_of_a_union_is_kept() -> None:
    assert ValueType.of(dt.date | str).decode('"2024-01-02"') == dt.date(2024, 1, 2)
    assert ValueType.of(str | dt.date).decode('"2024-01-02"') == "2024-01-02"
    assert ValueType.of(list[str | dt.date]).decode('["2024-01-02"]') == ["2024-01-02"]
    assert ValueType.of(Person) is ValueType.of(Person)


def test_object_members_of_a_union_are_all_tried() -> None:
    union = ValueType.of(Address | Point | None)
    assert union.decode('{"x": 1}') == Point(1)
    assert union.decode('{"street": "s", "zip": "12345"}') == Address("s", "12345")
    models = ValueType.of(Strict | Wide)
    assert models.decode('{"x": "5"}') == Wide(x="5")  # pydantic alone would make Strict(x=5) of it
    assert models.decode('{"x": "5", "y": 1}') == Wide(x="5", y=1)
    assert ValueType.of(Strict).decode('{"x": "5"}') == Strict(x=5)


# What is wrong


@pytest.mark.parametrize(
    ("annotation", "text", "path", "expected"),
    [
        (int, '"1"', "$", "an integer"),
        (int, "1.5", "$", "an integer"),
        (int, "true", "$", "an integer"),
        (float, "NaN", "$", "JSON text"),
        (float, "1e400", "$", "a number"),
        (int, "1e999999999", "$", "an integer"),
        (bool, "1", "$", "true or false"),
        (Literal[1], "true", "$", "one of [1]"),
        (Colour, '"green"', "$", "one of ['red', 'blue']"),
        (dt.date, '"2023-02-29"', "$", "a date"),
        (list[int], "[1, [2]]", "$[1]", "an integer"),
        (tuple[int, int], "[1]", "$", "a list of 2 items"),
        (dict[str, int], '{"a b": null}', '$["a b"]', "an integer"),
        (Person, '{"name": "a", "age": 151}', "$", "'address'"),
        (Person, '{"name": "a", "age": 1, "address": {"street": "", "zip": "1"}}', "$.address.zip", "[0-9]{5}"),
        (Person, '{"name": "a", "age": 1, "address": {"street": "", "zip": "12345", "x": 1}}', "$.address", "only the"),
        (Person | None, '{"name": 1, "age": 1, "address": {"street": "", "zip": "12345"}}', "$.name", "a string"),
        (Person | None, '{"name": ""}', "$", "'age'"),
        (int | list[str], '{"a": 1}', "$", "an integer or a list"),
        (Checked, '{"low": 2, "high": 1}', "$", "low is above high"),
        (Cat | Dog, '{"kind": "cat", "barks": true}', "$.kind", "one of ['dog']"),
        (Team, '{"teamName": "", "budget": 1}', "$.teamName", "at least 1 character"),
        (list[Team], '[{"teamName": "a", "budget": 1, "rivals": [{}]}]', "$[0].rivals[0].teamName", "required"),
        (int, "[1", "$", "JSON text"),
        (list[Any], "[" * 100_000, "$", "JSON"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_place(annotation: Any, text: str, path: str, expected: str) -> None:
    with pytest.raises(TypeMismatch) as caught:
        ValueType.of(annotation).decode(text)
    assert caught.value.path == path
    assert expected in caught.value.expected
    assert path in str(caught.value)


class Unread(TypedDict):
    value: "Missing"  # type: ignore[name-defined]  # noqa: F821 - it is missing


@dataclass
class Holder:
    inner: list[dict[str, complex]]


@pytest.mark.parametrize(
    ("annotation", "path", "found"),
    [
        (complex, "complex", "complex"),
        (Fraction, "Fraction", "Fraction"),
        (bytes, "bytes", "bytes"),
        (Holder, "Holder.inner[][]", "complex"),
        (Unread, "Unread", "'Missing'"),
        (list, "list", "without the type"),
        (dict, "dict", "without the type"),
        (dict[int, str], "dict[int, str]", "keys of int"),
        (Box, "Box.item", "type variable"),
        (Annotated[int, at.Predicate(bool)], None, "Predicate"),
        (Annotated[str, pydantic.AfterValidator(str.upper)], None, "AfterValidator"),
        (Annotated[str, pydantic.StringConstraints(strip_whitespace=True)], None, "strip_whitespace"),
        (Annotated[int, at.MinLen(1)], None, "min_length"),
        (Annotated[str, at.Ge("a")], None, "ge='a'"),
        (Annotated[dt.date, at.Ge(dt.date(2024, 1, 1))], None, "ge="),
        (Annotated[set[int], at.MinLen(2)], None, "min_length=2"),
        (Annotated[str, msgspec.Meta(pattern="^(?=a)")], None, "look"),
        (Annotated[str, msgspec.Meta(pattern="a"), pydantic.Field(pattern="b")], None, "pattern='a'"),
        (pydantic.create_model("J", j=(pydantic.Json[int], ...)), "J", "JSON"),
        (pydantic.create_model("C", c=(typing.Callable, ...)), "C", "pydantic cannot"),
        (msgspec.defstruct("A", [("a", int)], array_like=True), "A", "array_like"),
        (enum.Enum("Empty", []), "Empty", "one of []"),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_refused(annotation: Any, path: str | None, found: str) -> None:
    with pytest.raises(UnsupportedType) as caught:
        ValueType.of(annotation)
    assert path is None or caught.value.path == path
    assert found in caught.value.found
    assert caught.value.expected in str(caught.value)


# What is shown while it is generated


def test_an_object_fills_up() -> None:
    value_type = ValueType.of(Person)
    assert value_type.partial("") is None
    assert value_type.partial('{"na') == Person(None, None, None, None, None)
    shown = value_type.partial('{"name": "Ad')
    assert shown is not None
    assert (shown.name, shown.age) == ("Ad", None)
    shown = value_type.partial('{"name": "Ada", "age": 36, "address": {"street": "s')
    assert (shown.age, shown.address) == (36, Address("s", None))
    shown = value_type.partial(
        '{"name": "Ada", "age": 36, "address": {"street": "s", "zip": "12345"}, "tags": ["a", "b'
    )
    assert (shown.address, shown.tags, shown.colour) == (Address("s", "12345"), ("a", "b"), None)


def test_each_sort_of_object_shows_what_came() -> None:
    assert ValueType.of(Movie).partial('{"title": "M", "year": 19') == {"title": "M"}
    assert ValueType.of(Point).partial('{"x": 1, "y": 2') == Point(1, None)
    assert ValueType.of(tuple[int, str]).partial('[1, "a') == (1, "a")
    assert ValueType.of(tuple[int, str, int]).partial("[1, ") == (1, None, None)
    assert ValueType.of(set[str]).partial('["a", "b') == {"a"}
    assert ValueType.of(dict[str, list[int]]).partial('{"a": [1, 2], "b": [3, 4') == {"a": [1, 2], "b": [3]}
    checked = ValueType.of(Checked).partial('{"low": 5, ')
    assert (checked.low, checked.high) == (5, None)
    eager = ValueType.of(Eager).partial("{")
    assert isinstance(eager, Eager)
    assert eager.name is None
    team = ValueType.of(Team).partial('{"teamName": "t", "rivals": [{"teamName": "u", "budget": 2}, {"teamName": "v')
    assert isinstance(team, Team)
    assert [rival.name for rival in team.rivals] == ["u", "v"]
    assert (team.budget, team.model_fields_set) == (None, {"name", "rivals"})
    assert ValueType.of(Tags).partial('["a", "b').root == ["a", "b"]
    assert ValueType.of(Pair).partial('{"left": 1, "right": "x') == Pair(1, "x")


def test_a_member_of_a_union_is_shown_once_no_other_can_be_meant() -> None:
    union = ValueType.of(Cat | Dog)
    assert union.partial('{"') is None
    assert union.partial('{"type": "C') == Cat(None)
    assert union.partial('{"kind": "dog", "barks": tr') == Dog(None, None)
    assert ValueType.of(Literal["auto"] | list[str]).partial('["a') == ["a"]
    assert ValueType.of(str | dt.date).partial('"2024-01') is None
    assert ValueType.of(str | None).partial('"2024-01') == "2024-01"


def test_numbers_and_enumerations_wait_until_they_are_whole() -> None:
    assert ValueType.of(int).partial("12") is None
    assert ValueType.of(int).partial("12\n") == 12
    assert ValueType.of(list[float]).partial("[1, 2.5") == [1.0]
    assert ValueType.of(list[Colour]).partial('["red", "bl') == [Colour.RED]
    with pytest.raises(TypeMismatch):
        ValueType.of(list[Colour]).partial('["red", "gr')


def test_optional_libraries_are_not_imported() -> None:
    script = (
        "import sys, dataclasses\n"
        "from palmette.grammar.types.value_type import ValueType\n"
        "A = dataclasses.make_dataclass('A', [('x', int | list[str])])\n"
        "assert ValueType.of(A).decode('{\"x\": 1}').x == 1\n"
        "print(sorted({'pydantic', 'annotated_types', 'torch', 'xgrammar'} & set(sys.modules)))\n"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"

"""JSON Schemas: what is generated validates, what is refused says so."""

import enum
import json
from collections.abc import Callable
from typing import Annotated, Literal

import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import (
    ConstraintTooLarge,
    GrammarError,
    InvalidSchema,
    UnsatisfiableConstraint,
    UnsupportedSchema,
)
from palmette.grammar.json_schema.keywords import REFUSED_KEYWORDS
from palmette.grammar.json_schema.schema_compiler import compile_schema
from palmette.grammar.spec import JsonSchema

_NAMES = st.sampled_from(["a", "b", "ab", "name", 'q"', "é"])
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-20, 20), st.sampled_from([0.5, -1.25, "", "a", 'b"', "é\n"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(_NAMES, inner, max_size=2)),
    max_leaves=3,
)
_SMALL = st.integers(0, 4)


def _with_options(base: dict[str, object], options: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries({key: st.just(value) for key, value in base.items()}, optional=options)


def _containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    objects = _with_options(
        {"type": "object"},
        {
            "properties": st.dictionaries(_NAMES, inner, max_size=4),
            "required": st.lists(_NAMES, max_size=2, unique=True),
            "additionalProperties": st.one_of(st.booleans(), inner),
            "minProperties": st.integers(0, 2),
            "maxProperties": _SMALL,
        },
    )
    arrays = _with_options(
        {"type": "array"},
        {
            "items": st.one_of(st.booleans(), inner),
            "prefixItems": st.lists(inner, max_size=3),
            "minItems": st.integers(0, 3),
            "maxItems": _SMALL,
        },
    )
    unions = st.builds(
        lambda keyword, branches: {keyword: branches},
        st.sampled_from(["anyOf", "oneOf", "allOf"]),
        st.lists(inner, min_size=1, max_size=3),
    )
    return st.one_of(objects, arrays, unions)


_BOUNDS = st.one_of(st.integers(-1200, 1200), st.sampled_from([-0.5, 0.125, 2.75, 99.99, 1e3]))
SCHEMAS = st.recursive(
    st.one_of(
        st.booleans(),
        st.just({}),
        st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}, {"type": "number"}]),
        st.builds(lambda values: {"enum": values}, st.lists(_VALUES, min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, _VALUES),
        _with_options({"type": "string"}, {"minLength": _SMALL, "maxLength": st.integers(0, 40)}),
        st.sampled_from([r"^[a-c]+$", "b", r"^\d{2}", r"\s$", '^["\\\\\n]$', r"^\W\w$"]).map(
            lambda pattern: {"type": "string", "pattern": pattern}
        ),
        st.sampled_from(["date", "time", "date-time", "uuid", "ipv4", "email", "duration"]).map(
            lambda name: {"type": "string", "format": name}
        ),
        st.builds(
            lambda kind, limits: {"type": kind, **limits},
            st.sampled_from(["integer", "number"]),
            st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _BOUNDS),
            ),
        ),
    ),
    _containers,
    max_leaves=5,
)


@settings(max_examples=80, deadline=None)
@given(
    SCHEMAS,
    st.sampled_from(["compact", "spaced", "flexible", 0, 2]),
    st.sampled_from(["tight", "literal"]),
)
def test_random_walks_end_in_valid_documents(walker, schema: object, whitespace: str | int, reading: str) -> None:
    constraint = JsonSchema(json.dumps(schema), whitespace=whitespace, reading=reading)
    try:
        walker.check_documents(constraint, num_walks=2)
    except (UnsupportedSchema, UnsatisfiableConstraint):
        return


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, _VALUES)
def test_what_is_accepted_validates(schema: object, value: object) -> None:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        is_accepted = accepts(JsonSchema(json.dumps(schema), whitespace="compact", reading="literal"), text)
    except (UnsupportedSchema, UnsatisfiableConstraint):
        return
    assert is_accepted <= jsonschema.Draft202012Validator(schema).is_valid(value)


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


# What is refused

_BROKEN = {
    "if": {"type": "string"},
    "contains": {},
    "not": {},
    "uniqueItems": True,
    "unevaluatedProperties": False,
    "unevaluatedItems": False,
}


@pytest.mark.parametrize("keyword", sorted(REFUSED_KEYWORDS))
def test_every_refused_keyword_names_its_place(schema_of: Callable[..., JsonSchema], keyword: str) -> None:
    inner = {keyword: _BROKEN.get(keyword, 1)}
    if keyword in ("minContains", "maxContains"):
        inner["contains"] = {}
    with pytest.raises(UnsupportedSchema) as caught:
        compile_schema(schema_of({"type": "object", "properties": {"a/b": inner}}))
    assert caught.value.pointer == "/properties/a~1b"
    assert caught.value.keyword in (keyword, "contains")
    assert caught.value.reason
    assert caught.value.keyword in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword"),
    [
        ({"minLenght": 1}, "", "minLenght"),
        ({"type": "string", "format": "ipv6"}, "", "format"),
        ({"$ref": "https://example.com/schema"}, "/$ref", "$ref"),
        ({"$ref": "#anchor"}, "/$ref", "$ref"),
        ({"$ref": "#"}, "", "$ref"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "/$defs/a", "$ref"),
        ({"$schema": "https://example.com/mine"}, "/$schema", "$schema"),
        ({"properties": {"a": {"$id": "x"}}}, "/properties/a", "$id"),
        ({"type": "integer", "multipleOf": 3}, "", "multipleOf"),
        ({"type": "number", "multipleOf": 0.01}, "", "multipleOf"),
        ({"type": "string", "pattern": "^a+b$", "maxLength": 3}, "", "pattern"),
        ({"type": "string", "pattern": "a", "format": "date"}, "", "format"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "", "oneOf"),
        ({"oneOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, "", "oneOf"),
        ({"additionalProperties": True, "minProperties": 2, "type": "object"}, "", "minProperties"),
        ({"patternProperties": {"a": {}, "b": {}}, "type": "object"}, "", "patternProperties"),
        ({"patternProperties": {"a": {}}, "additionalProperties": {"type": "null"}}, "", "patternProperties"),
        ({"properties": {"a": {}}, "propertyNames": {"maxLength": 3}}, "", "propertyNames"),
        ({"enum": [{"a": 1}], "properties": {"a": {"type": "integer"}}}, "", "properties"),
        ({"type": "number", "exclusiveMinimum": 0.1234567890123456789}, "", "exclusiveMinimum"),
    ],
)  # fmt: skip
def test_refuses(schema_of: Callable[..., JsonSchema], schema: object, pointer: str, keyword: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        compile_schema(schema_of(schema))
    assert (caught.value.pointer, caught.value.keyword) == (pointer, keyword)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("{", ""), ("[]", ""), ("NaN", ""), ('{"a": 1, "a": 2}', ""), ('{"type": "int"}', "/type"),
        ('{"required": "a"}', "/required"), ('{"enum": 1}', "/enum"), ('{"minLength": -1}', "/minLength"),
        ('{"minimum": "1"}', "/minimum"), ('{"anyOf": []}', "/anyOf"), ('{"properties": []}', "/properties"),
        ('{"$ref": "#/$defs/none"}', "/$ref"), ('{"exclusiveMinimum": true}', "/exclusiveMinimum"),
        ('{"title": "\\ud800"}', ""), ('{"minimum": 1e99999}', ""), ('{"pattern": 1}', "/pattern"),
    ],
)  # fmt: skip
def test_invalid(text: str, pointer: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        compile_schema(JsonSchema(text, whitespace="compact"))
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"enum": []},
        {"enum": ["a"], "type": "integer"},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"type": "number", "minimum": 1, "exclusiveMaximum": 1},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "pattern": "^a{5}$", "maxLength": 4},
        {"type": "array", "minItems": 2, "maxItems": 1},
        {"type": "array", "items": False, "minItems": 1},
        {"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "properties": {"a": {}}, "minProperties": 2, "additionalProperties": False},
        {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"], "maxProperties": 1},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"allOf": [{"enum": [1, 2]}, {"enum": [3]}]},
        {"anyOf": [False, {"type": "string", "minLength": 1, "maxLength": 0}]},
    ],
)
def test_unsatisfiable(walker, schema_of: Callable[..., JsonSchema], schema: object) -> None:
    for reading in ("tight", "literal"):
        with pytest.raises(UnsatisfiableConstraint):
            walker.compiler.compile(schema_of(schema, reading=reading))


@pytest.mark.parametrize(
    ("schema", "accepted", "refused"),
    [
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, ['"a"', "1"], ["null"]),
        ({"oneOf": [{"maximum": 1, "type": "integer"}, {"minimum": 2, "type": "integer"}]}, ["1", "2"], ["1.5"]),
        ({"oneOf": [{"properties": {"k": {"const": 1}}, "required": ["k"], "type": "object"},
                    {"properties": {"k": {"const": 2}}, "required": ["k"], "type": "object"}]},
         ['{"k":1}', '{"k":2}'], ["{}", '{"k":3}']),
        ({"allOf": [{"properties": {"a": {"minimum": 1}}}, {"properties": {"a": {"type": "integer"}, "b": {}}}]},
         ['{"a":1}', '{"a":3,"b":0}'], ['{"a":0}', '{"a":1.5}']),
        ({"$ref": "#/$defs/a", "maximum": 5, "$defs": {"a": {"type": "integer", "minimum": 3}}},
         ["3", "5"], ["2", "6"]),
        ({"type": "object", "patternProperties": {"^x\\d$": {"type": "null"}}, "additionalProperties": False},
         ["{}", '{"x1":null}', '{"x1":null,"x2":null}'], ['{"x1":1}', '{"y":null}']),
        ({"type": "object", "properties": {"x1": {"type": "integer"}}, "patternProperties": {"^x": {"minimum": 3}}},
         ['{"x1":3}'], ['{"x1":2}']),
        ({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "null"}},
         ["{}", '{"a":null}', '{"b":null,"a":null}'], ['{"c":null}', '{"a":1}']),
        ({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 2, "minProperties": 1},
         ['{"a":1}', '{"a":1,"c":1}', '{"c":1}'], ["{}", '{"a":1,"b":1,"c":1}']),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"type": "integer"}], "minItems": 1},
         ["[null]", "[null,1]"], ["[]", "[1]", "[null,1,1]"]),
        ({"type": "array", "items": [{"type": "null"}], "additionalItems": {"type": "integer"}},
         ["[]", "[null]", "[null,1,2]"], ["[1]", "[null,null]"]),
        ({"allOf": [{"prefixItems": [{"type": "integer"}], "items": True}, {"items": {"maximum": 5}}]},
         ["[5]", "[1,2]"], ["[6]", "[1,6]"]),
        ({"type": "integer", "multipleOf": 7, "minimum": -7, "maximum": 20}, ["-7", "0", "14"], ["1", "21", "-14"]),
        ({"type": ["integer", "null"], "minimum": 0}, ["null", "0"], ["-1", '"a"', "1.5"]),
        ({"enum": [1, "a", None, [1, {"b": 2.5}]]}, ["1", '"a"', "null", '[1,{"b":2.5}]'], ["2", "[1]"]),
        ({"const": 1.0}, ["1"], ["2", "true"]),
        ({"type": "string", "enum": ["a", "bb", 1], "minLength": 2}, ['"bb"'], ['"a"', "1"]),
        ({"type": "string", "pattern": 'a"'}, ['"xa\\"y"'], ['"a"']),
        ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 2}, ['"ab"'], ['"abc"', '""']),
        ({"type": "number", "minimum": -1.5, "exclusiveMaximum": 0.25},
         ["-1.5", "-1", "0", "0.2", "0.2499", "-0.5", "0.0"], ["0.25", "-1.51", "1", "0.250"]),
    ],
)  # fmt: skip
def test_enforced(
    schema_of: Callable[..., JsonSchema], schema: object, accepted: list[str], refused: list[str]
) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    for text in accepted:
        assert accepts(schema_of(schema), text), text
    for text in refused:
        assert not accepts(schema_of(schema), text), text
    if not isinstance(schema.get("items"), list):
        assert all(validator.is_valid(json.loads(text)) for text in accepted)


# Schemas from strangers


def _nested(depth: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "null"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": 1}
    return schema


def test_deep_nesting(schema_of: Callable[..., JsonSchema]) -> None:
    assert accepts(schema_of(_nested(200)), "[" * 200 + "null" + "]" * 200)
    for schema in (schema_of(_nested(300)), JsonSchema('{"not":' * 100_000), schema_of(_nested(100), whitespace=1)):
        with pytest.raises((ConstraintTooLarge, InvalidSchema)):
            compile_schema(schema)


def test_a_large_enum_becomes_a_choice(schema_of: Callable[..., JsonSchema]) -> None:
    constraint = schema_of({"enum": [f"value {index}" for index in range(20_000)]})
    assert isinstance(compile_schema(constraint), tuple)
    assert accepts(constraint, '"value 19999"')
    assert not accepts(constraint, '"value 20000"')


@pytest.mark.parametrize(
    "schema",
    [
        {"items": {"enum": [f"value {index}" for index in range(20_000)]}},
        {"allOf": [{"anyOf": [{"minimum": index}, {"maxLength": index}]} for index in range(40)]},
        {"properties": {f"property {index}": {} for index in range(2_000)}, "additionalProperties": True},
        {"type": "string", "maxLength": 10**9},
        {"type": "array", "maxItems": 10**9},
        {"type": "number", "minimum": 10**40},
        {"type": "string", "pattern": "(a{999}b){9999}"},
        {"description": "x" * 3_000_000},
        {"properties": {f"p{index}": {} for index in range(500)}, "type": "object", "maxProperties": 400},
        {"allOf": [{"$ref": f"#/allOf/{index + 1}/items"} for index in range(600)] + [{"items": {}}]},
    ],
)
def test_bounds(schema_of: Callable[..., JsonSchema], schema: object) -> None:
    with pytest.raises((ConstraintTooLarge, InvalidSchema)):
        compile_schema(schema_of(schema))


def test_large_counts_are_no_burden(schema_of: Callable[..., JsonSchema]) -> None:
    assert accepts(schema_of({"type": "string", "maxLength": 10**6}), '"abc"')
    assert accepts(schema_of({"type": "array", "items": {"type": "null"}, "maxItems": 10**6}), "[null,null]")
    properties = {f"property {index}": {"type": "null"} for index in range(500)}
    assert accepts(schema_of({"properties": properties}), '{"property 7":null,"property 77":null}')


def test_shared_references_do_not_multiply(schema_of: Callable[..., JsonSchema]) -> None:
    definitions: dict[str, object] = {"d40": {"type": "null"}}
    for index in range(40):
        following = {"$ref": f"#/$defs/d{index + 1}"}
        definitions[f"d{index}"] = {"type": "array", "prefixItems": [following, following], "minItems": 2}
    rules = compile_schema(schema_of({"$defs": definitions, "$ref": "#/$defs/d0"}))
    assert not isinstance(rules, tuple)
    assert len(rules) < 200

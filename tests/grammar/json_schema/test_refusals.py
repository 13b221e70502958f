"""Schemas that are refused, invalid, unsatisfiable or too large: each says where, and why."""

from collections.abc import Callable

import pytest

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import ConstraintTooLarge, InvalidSchema, UnsatisfiableConstraint, UnsupportedSchema
from palmette.grammar.json_schema.keywords import REFUSED_KEYWORDS
from palmette.grammar.json_schema.schema_compiler import compile_schema
from palmette.grammar.spec import JsonSchema


@pytest.mark.parametrize("keyword", [*REFUSED_KEYWORDS, "$recursiveRef", "minLenght"])
def test_every_refused_keyword_names_its_place(schema_of: Callable[..., JsonSchema], keyword: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        compile_schema(schema_of({"type": "object", "properties": {"a/b": {keyword: 1}}}))
    assert (caught.value.pointer, caught.value.keyword) == ("/properties/a~1b", keyword)
    assert caught.value.reason
    assert keyword in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword"),
    [
        ({"not": {"minLenght": 1}}, "/not", "minLenght"),
        ({"contains": {"items": {"nullable": True}}}, "/contains/items", "nullable"),
        ({"$defs": {"a": {"nullable": True}}, "items": {"$ref": "#/$defs/a"}}, "/$defs/a", "nullable"),
        ({"type": "string", "format": "colour"}, "", "format"),
        ({"type": "string", "pattern": "^(?=a)b"}, "", "pattern"),
        ({"patternProperties": {"(a)\\1": {}}}, "", "patternProperties"),
        ({"$ref": "https://example.com/schema"}, "", "$ref"),
        ({"$ref": "other.json#/$defs/a"}, "", "$ref"),
        ({"$ref": "#"}, "", "$ref"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "/$defs/a", "$ref"),
        ({"$schema": "https://example.com/mine"}, "/$schema", "$schema"),
        ({"type": "number", "exclusiveMinimum": 0.1234567890123456789}, "", "exclusiveMinimum"),
    ],
)  # fmt: skip
def test_refuses(schema_of: Callable[..., JsonSchema], schema: object, pointer: str, keyword: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        compile_schema(schema_of(schema))
    assert (caught.value.pointer, caught.value.keyword) == (pointer, keyword)


def test_what_no_reference_leads_to_is_not_judged(schema_of: Callable[..., JsonSchema]) -> None:
    assert accepts(schema_of({"$defs": {"a": {"minLenght": 1}}, "type": "null"}), "null")


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("{", ""), ("[]", ""), ("NaN", ""), ('{"a": 1, "a": 2}', ""), ('{"type": "int"}', "/type"),
        ('{"required": "a"}', "/required"), ('{"enum": 1}', "/enum"), ('{"minLength": -1}', "/minLength"),
        ('{"minimum": "1"}', "/minimum"), ('{"anyOf": []}', "/anyOf"), ('{"properties": []}', "/properties"),
        ('{"$ref": "#/$defs/none"}', "/$ref"), ('{"exclusiveMinimum": true}', "/exclusiveMinimum"),
        ('{"$ref": "#nowhere"}', "/$ref"), ('{"pattern": "("}', "/pattern"), ('{"uniqueItems": 1}', "/uniqueItems"),
        ('{"dependentRequired": {"a": "b"}}', "/dependentRequired/a"), ('{"not": 1}',
         "/not"), ('{"title": "\\ud800"}', ""), ('{"minimum": 1e99999}', ""), ('{"pattern": 1}', "/pattern"),
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
        {"not": {}},
        {"type": "string", "not": {"type": "string"}},
        {"enum": [1, 2], "not": {"enum": [1, 2]}},
        {"type": "string", "pattern": "^a+$", "allOf": [{"pattern": "^b+$"}]},
        {"type": "string", "pattern": "^(ab)+$", "minLength": 3, "maxLength": 3},
        {"type": "object", "required": ["a"], "propertyNames": {"maxLength": 0}},
        {"type": "object", "required": ["ab"], "patternProperties": {"^a": False}},
        {"const": {"a": 1}, "properties": {"a": {"type": "string"}}},
    ],
)
def test_unsatisfiable(walker, schema_of: Callable[..., JsonSchema], schema: object) -> None:
    for reading in ("tight", "literal"):
        with pytest.raises(UnsatisfiableConstraint):
            walker.compiler.compile(schema_of(schema, reading=reading))


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
    assert isinstance(compile_schema(constraint).rules, tuple)
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
    rules = compile_schema(schema_of({"$defs": definitions, "$ref": "#/$defs/d0"})).rules
    assert len(rules) < 200

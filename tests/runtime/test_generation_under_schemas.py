"""What the embedded model writes under schemas is valid, and no schema leads it into a dead end for good."""

import asyncio
import json
from collections.abc import Iterator

import jsonschema
import pytest

from palmette.runtime.local.embedded import Engine

SCHEMAS: list[dict[str, object]] = [
    {"type": "integer"},
    {"type": "integer", "minimum": 3, "maximum": 12},
    {"type": "integer", "multipleOf": 0.123456789},
    {"type": "number", "multipleOf": 1.5},
    {"type": "number", "multipleOf": 0.25, "minimum": -10, "maximum": 10},
    {"type": "integer", "multipleOf": 60, "minimum": 0},
    {"allOf": [{"multipleOf": 2}], "anyOf": [{"multipleOf": 3}], "oneOf": [{"multipleOf": 5}], "type": "integer"},
    {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}]},
    {"oneOf": [{"type": "number"}, {}]},
    {"enum": ["red", "amber", "green", 12, None]},
    {"type": "string", "minLength": 2, "maxLength": 5},
    {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
    {"type": "string", "format": "date"},
    {"type": "string", "not": {"enum": ["a", "ab", ""]}, "maxLength": 20},
    {"not": {"anyOf": [True, {"properties": {"foo": True}}], "unevaluatedProperties": False}},
    {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True},
    {"type": "array", "items": {"enum": ["MO", "TU", "WE"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}, "minItems": 9, "maxItems": 9,
     "uniqueItems": True},
    {"type": "array", "items": {"enum": ["admin", "editor", "viewer"]}, "maxItems": 3, "contains": {"const": "admin"}},
    {"type": "array", "items": {"type": "boolean"}, "contains": {"const": True}, "maxContains": 2, "maxItems": 6},
    {"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "null"}], "items": False},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}, "required": ["a"],
     "additionalProperties": False},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}, "minProperties": 1,
     "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"pattern": "^[a-z]{1,3}$"},
     "minProperties": 1, "maxProperties": 3},
    {"type": "object", "properties": {"kind": {"enum": ["cat", "dog"]}, "lives": {"type": "integer"}},
     "if": {"properties": {"kind": {"const": "cat"}}}, "then": {"required": ["lives"]}, "required": ["kind"],
     "additionalProperties": False},
    {"type": "object", "properties": {"foo": {"enum": ["x", "y"]}}, "unevaluatedProperties": False,
     "anyOf": [{"properties": {"bar": {"const": "bar"}}, "required": ["bar"]},
               {"properties": {"baz": {"const": "baz"}}, "required": ["baz"]}]},
    {"type": "object", "properties": {"foo": {"enum": ["x", "y"]}}, "unevaluatedProperties": False,
     "oneOf": [{"properties": {"bar": {"const": "bar"}}, "required": ["bar"]},
               {"properties": {"baz": {"const": "baz"}}, "required": ["baz"]}]},
    {"type": "object", "properties": {"count": {"enum": [1, 2]}, "until": {"enum": ["now", "later"]}},
     "not": {"required": ["count", "until"]}, "additionalProperties": False},
    {"type": "object", "properties": {"a": {"enum": [1, 2]}, "b": {"enum": [3, 4]}},
     "dependentRequired": {"a": ["b"]}, "additionalProperties": False},
    {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}},
     "additionalProperties": False}}},
]  # fmt: skip
NUM_SEEDS = 2


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(max_running_requests=32) as engine:
        yield engine


def test_every_text_is_valid_or_cut_by_length(engine: Engine) -> None:
    async def write(schema: dict[str, object], seed: int) -> tuple[str, bool]:
        params = {"max_new_tokens": 150, "temperature": 1.0, "seed": seed, "json_schema": json.dumps(schema)}
        output = await engine.async_generate("An example as JSON:\n", params)
        assert isinstance(output, dict)
        return output["text"], output["meta_info"]["finish_reason"]["type"] == "length"

    async def write_all() -> list[tuple[str, bool]]:
        return await asyncio.gather(*(write(schema, seed) for schema in SCHEMAS for seed in range(NUM_SEEDS)))

    results = asyncio.run(write_all())  # a dead end without another way would raise here
    num_whole = 0
    for index, (text, is_cut) in enumerate(results):
        schema = SCHEMAS[index // NUM_SEEDS]
        if not is_cut:
            num_whole += 1
            if "multipleOf" not in json.dumps(schema):
                jsonschema.validate(json.loads(text), schema, jsonschema.Draft202012Validator)
    assert num_whole > len(SCHEMAS)


@pytest.mark.parametrize("seed", range(3))
def test_a_last_place_for_what_must_be_there(engine: Engine, seed: int) -> None:
    # Numbers that can only be closed, strings that can only become earlier ones: seen before they are written.
    schema = {"type": "array", "items": {"enum": [1, 2, 3, "MO", "MI"]}, "minItems": 5, "uniqueItems": True}
    output = engine.generate("A", {"max_new_tokens": 60, "temperature": 1.0, "seed": seed, "json_schema": schema})
    assert isinstance(output, dict)
    assert sorted(map(str, json.loads(output["text"]))) == ["1", "2", "3", "MI", "MO"]
    assert output["meta_info"]["num_rollbacks"] == 0

"""Keyword by keyword: what is accepted and what is not, against the `jsonschema` library."""

import json
from collections.abc import Callable

import jsonschema
import pytest

from palmette.grammar.acceptance import accepts
from palmette.grammar.json_schema.schema_compiler import compile_schema
from palmette.grammar.spec import JsonSchema


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


@pytest.mark.parametrize(
    ("schema", "accepted", "refused"),
    [
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, ["[]", "[1,2]"], ["[1,1]", "[1,2,1]"]),
        ({"type": "array", "contains": {"const": 1}}, ["[1]", "[0,1]"], ["[]", "[0]"]),
        ({"type": "array", "contains": {"const": 1}, "minContains": 2, "maxContains": 2},
         ["[1,1]", "[1,0,1]"], ["[1]", "[1,1,1]"]),
        ({"type": "number", "multipleOf": 0.01}, ["0", "1.5", "-0.25", "19.99"], ["0.001", "1e1"]),
        ({"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 2}, ["0", "1.75", "2"], ["0.1", "2.25", "-1"]),
        ({"type": "integer", "multipleOf": 60}, ["0", "-120", "3600"], ["20", "61", "100"]),
        ({"type": "integer", "multipleOf": 7, "minimum": 10}, ["14", "700"], ["7", "15"]),
        ({"type": "integer", "not": {"const": 3}}, ["2", "33"], ["3"]),
        ({"type": "integer", "minimum": 1, "maximum": 5, "not": {"enum": [1, 3, 9]}}, ["2", "4", "5"], ["1", "3", "6"]),
        ({"type": "integer", "multipleOf": 3, "not": {"const": 6}}, ["3", "9"], ["6"]),
        ({"type": "number", "not": {"enum": [1, 2.5]}}, ["2", "2.25"], ["1", "2.5", "1.0", "25e-1"]),
        ({"type": ["string", "null", "boolean"], "not": {"enum": ["ab", None, True]}},
         ['"a"', '"abc"', "false"], ['"ab"', "null", "true"]),
        ({"type": "string", "maxLength": 3, "not": {"const": "ab"}}, ['"a"', '"abc"'], ['"ab"', '"abcd"']),
        ({"type": "array", "not": {"const": [1]}}, ["[]", "[1,1]"], ["[1]"]),
        ({"type": ["integer", "string"], "not": {"type": "string"}}, ["2"], ['"a"']),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "not": {"required": ["a"]}},
         ["{}", '{"b":1}'], ['{"a":1}']),
        ({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "integer", "maximum": 5}]}, ["-1", "6"], ["3"]),
        ({"type": "object", "properties": {"k": {"enum": ["a", "b"]}, "v": {}}, "required": ["k", "v"],
          "if": {"properties": {"k": {"const": "a"}}}, "then": {"properties": {"v": {"type": "integer"}}},
          "else": {"properties": {"v": {"type": "string"}}}},
         ['{"k":"a","v":1}', '{"k":"b","v":"x"}'], ['{"k":"a","v":"x"}', '{"k":"b","v":1}']),
        ({"type": "integer", "if": {"minimum": 10}, "then": {"multipleOf": 10}}, ["3", "20"], ["13"]),
        ({"type": "string", "if": {"minLength": 3}, "then": {"pattern": "^a"}}, ['"b"', '"abb"'], ['"bbb"']),
        ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}},
          "if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}},
         ['{"a":2}', '{"b":null}', '{"a":1,"b":null}'], ["{}", '{"a":1}']),
        ({"type": "object", "properties": {"ab": {"type": "integer"}}, "patternProperties": {"^a": {"minimum": 3}}},
         ['{"ab":3}', '{"ab":4,"aa":5}'], ['{"ab":3.5}', '{"ab":2}', '{"ab":3,"ab":3.5}']),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}},
         ["{}", '{"b":1}', '{"a":1,"b":1}'], ['{"a":1}']),
        ({"type": "object", "properties": {"a": {}, "b": {}},
         "dependentSchemas": {"a": {"properties": {"b": {"const": 1}}}}},
         ['{"b":2}', '{"a":1,"b":1}', '{"a":1}'], ['{"a":1,"b":2}']),
        ({"type": "object", "properties": {"a": {}}, "propertyNames": {"pattern": "^[a-z]$"},
         "additionalProperties": {"type": "null"}},
         ['{"a":1}', '{"a":1,"z":null}'], ['{"a":1,"zz":null}', '{"Z":null}', '{"a":1,"a":null}']),
        ({"type": "object", "patternProperties": {"^a": {"type": "integer"}, "z$": {"minimum": 3}},
         "additionalProperties": False},
         ['{"ab":1}', '{"az":4}', '{"z":3}'], ['{"ab":"x"}', '{"az":1}', '{"c":1}']),
        ({"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": {"type": "null"}},
         ['{"ab":1,"b":null}'], ['{"ab":null}', '{"b":1}']),
        ({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2, "maxProperties": 3},
         ['{"a":1,"b":2}', '{"a":1,"b":2,"c":3}'], ['{"a":1}', '{"a":1,"a":2}', '{"a":1,"b":2,"c":3,"d":4}']),
        ({"allOf": [{"type": "object", "properties": {"a": {}}}], "properties": {"b": {}},
         "unevaluatedProperties": False},
         ['{"b":1}', '{"a":1}'], ['{"c":1}']),
        ({"type": "object", "properties": {"k": {"type": "integer"}}, "required": ["k"], "unevaluatedProperties": False,
          "anyOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {}}}]},
         ['{"k":1,"a":1}', '{"k":1,"b":2}'], ['{"k":1,"a":2}', '{"k":1,"c":2}']),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "unevaluatedItems": {"type": "string"}},
         ["[]", '[1,"a"]'], ["[1,1]"]),
        ({"type": "string", "pattern": "^[a-z]+$", "allOf": [{"pattern": "b"}], "maxLength": 3},
         ['"b"', '"abc"'], ['"a"', '"abcd"']),
        ({"type": "string", "format": "date", "pattern": "^2024"}, ['"2024-02-29"'], ['"2023-01-01"', '"2024-02-30"']),
        ({"type": "string", "pattern": "^a+b$", "maxLength": 3}, ['"ab"', '"aab"'], ['"aaab"', '"b"']),
        ({"enum": [{"a": 1}, {"a": "x"}, [1, 2]], "properties": {"a": {"type": "integer"}}, "maxItems": 1},
         ['{"a":1}'], ['{"a":"x"}', "[1,2]"]),
        ({"anyOf": [{"type": "null"}, {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True}]},
         ["null", "[]", "[2,1]"], ["[1,1]", "[1,2,1]"]),
        ({"anyOf": [{"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}},
                    {"type": "object", "properties": {"b": {}}, "additionalProperties": False}]},
         ['{"a":[1,2]}', '{"b":1}'], ['{"a":[1,1]}']),
        ({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}},
         "required": ["id"]}, "uniqueItems": True},
         ['[{"id":1},{"id":2}]'], ['[{"id":1},{"id":1}]']),
    ],
)  # fmt: skip
def test_enforced_or_guarded(
    schema_of: Callable[..., JsonSchema], schema: object, accepted: list[str], refused: list[str]
) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    for text in accepted:
        assert accepts(schema_of(schema), text), text
        assert validator.is_valid(json.loads(text)) or "multipleOf" in schema, text  # where floats disagree
    for text in refused:
        assert not accepts(schema_of(schema), text), text


@pytest.mark.parametrize(
    ("schema", "needs_guard"),
    [
        ({"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"]}, False),
        ({"type": "string", "pattern": "^a+b$", "maxLength": 3}, False),
        ({"type": "integer", "multipleOf": 100}, False),
        ({"type": "number", "multipleOf": 0.01, "minimum": 0}, False),
        ({"type": "integer", "multipleOf": 3}, True),
        ({"type": ["integer", "string", "null"], "not": {"enum": [1, "a", None]}}, False),
        ({"type": "string", "pattern": "^[ab]+$", "not": {"const": "ab"}}, False),
        ({"type": "number", "not": {"const": 1}}, True),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, False),
        ({"properties": {"k": {"enum": ["a", "b"]}}, "if": {"properties": {"k": {"const": "a"}}},
         "then": {"required": ["k"]}}, False),
        ({"patternProperties": {"^a": {"type": "null"}, "b$": {"type": "null"}}, "type": "object"}, False),
        ({"type": "array", "uniqueItems": True}, True),
        ({"enum": [[1, 1], [1, 2]], "uniqueItems": True}, False),
    ],
)  # fmt: skip
def test_a_guard_stands_only_where_no_grammar_says_it(
    schema_of: Callable[..., JsonSchema], schema: object, needs_guard: bool
) -> None:
    assert (compile_schema(schema_of(schema)).guards is not None) is needs_guard


@pytest.mark.parametrize("num_properties", [3, 8])
def test_any_order(schema_of: Callable[..., JsonSchema], num_properties: int) -> None:
    names = [f"p{index}" for index in range(num_properties)]
    schema = {"properties": {name: {"type": "integer"} for name in names}, "required": names[:2]}
    constraint = schema_of(schema, property_order="any")
    forwards = [f'"{name}":1' for name in names]
    for members in (forwards, forwards[::-1], [forwards[1], forwards[-1], forwards[0]], forwards[1::-1]):
        assert accepts(constraint, "{" + ",".join(members) + "}"), members
    for members in ([], forwards[1:], [*forwards, forwards[0]], [forwards[0], forwards[0], forwards[1]]):
        assert not accepts(constraint, "{" + ",".join(members) + "}"), members
    assert not accepts(schema_of(schema), "{" + ",".join(forwards[::-1]) + "}")


def test_listed_objects_in_any_order(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {"const": {"a": 1, "b": [2]}}
    assert accepts(schema_of(schema, property_order="any"), '{"b":[2],"a":1}')
    assert not accepts(schema_of(schema), '{"b":[2],"a":1}')


@pytest.mark.parametrize("text", ["1.0", '{"a":2.0}', "[3.0]"])
def test_whole_numbers_with_a_point_are_read_literally(schema_of: Callable[..., JsonSchema], text: str) -> None:
    schema = {"anyOf": [{"const": 1}, {"properties": {"a": {"type": "integer"}}, "type": "object"}, {"enum": [[3]]}]}
    assert accepts(schema_of(schema, reading="literal"), text)
    assert not accepts(schema_of(schema), text)


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("ipv6", ['"::1"', '"2001:db8::ff"', '"1:2:3:4:5:6:7:8"'], ['"1::2::3"', '"12345::"', '"1:2"']),
        ("json-pointer", ['""', '"/a~1b/0"'], ['"a"', '"/~2"']),
        ("uri-reference", ['"https://a.b/c"', '"/a/b"'], ['"a b"']),
        ("byte", ['""', '"QUJD"', '"QQ=="'], ['"Q"', '"QQ="', '"Q==="']),
    ],
)
def test_formats(schema_of: Callable[..., JsonSchema], name: str, accepted: list[str], refused: list[str]) -> None:
    constraint = schema_of({"type": "string", "format": name})
    assert [text for text in (*accepted, *refused) if accepts(constraint, text)] == accepted


def test_integer_formats_are_bounds(schema_of: Callable[..., JsonSchema]) -> None:
    constraint = schema_of({"type": "integer", "format": "int32"})
    assert accepts(constraint, "2147483647")
    assert not accepts(constraint, "2147483648")


def test_draft_4(schema_of: Callable[..., JsonSchema]) -> None:
    dialect = {"$schema": "http://json-schema.org/draft-04/schema#", "id": "http://a.b/c"}
    schema = {
        **dialect,
        "type": "integer",
        "minimum": 3,
        "exclusiveMinimum": True,
        "maximum": 9,
        "exclusiveMaximum": False,
    }
    assert [text for text in ("3", "4", "9", "10") if accepts(schema_of(schema), text)] == ["4", "9"]
    tuples = {**dialect, "type": "array", "items": [{"type": "null"}], "additionalItems": False}
    assert accepts(schema_of(tuples), "[null]")
    assert not accepts(schema_of(tuples), "[null,1]")


def test_dependencies_of_draft_7(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}},
              "dependencies": {"a": ["b"], "c": {"properties": {"b": {"type": "integer"}}}}}  # fmt: skip
    for text, expected in (
        ('{"a":1}', False),
        ('{"a":1,"b":"x"}', True),
        ('{"b":"x","c":1}', False),
        ('{"c":1}', True),
    ):
        assert accepts(schema_of(schema), text) is expected, text

"""Arguments as Python writes them: what a schema allows, what it refuses, and that Python itself reads the same."""

import ast
import json
import random
from typing import Any

import jsonschema
import pytest
from call_walks import allows, compiled, random_turn
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.errors import ConstraintTooLarge, InvalidSchema, UnsupportedSchema
from palmette.grammar.spec import ToolCalls, ToolSpec
from palmette.grammar.tool_calls.call_parser import parse_calls
from palmette.grammar.tool_calls.python_values import parse_python_arguments

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "size": {"$ref": "#/$defs/size"},
        "tree": {"$ref": "#/$defs/tree"},
        "code": {"type": "string", "pattern": "^[a-b\\\\]{2}$"},
        "mode": {"enum": ["a", True, None, 1.5, {"k": [False]}]},
        "more": {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}},
        "any": True,
    },
    "required": ["name", "mode"],
    "$defs": {
        "size": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 40}, {"type": "null"}]},
        "tree": {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2}},
        },
    },
}


def tool(schema: object) -> ToolCalls:
    return ToolCalls((ToolSpec("f", json.dumps(schema)),), "pythonic", "required", parallel=False)


@pytest.mark.parametrize(
    ("arguments", "is_allowed"),
    [
        ('name="a", mode=None', True),
        (
            'name="a", size=40, tree={"children": [{}, {"children": []}]}, code="a\\\\", mode=True, more={"x": None}',
            True,
        ),
        ('name="a", mode=True, more={"x": None, "y": False}', True),
        ('name="a", mode={"k": [False]}, any=[1, "x", {"y": True}]', True),
        ('name="a"', False),
        ("mode=None", False),
        ('mode=None, name="a"', False),
        ('name="", mode=None', False),
        ('name="a", size=41, mode=None', False),
        ('name="a", size=null, mode=None', False),
        ('name="a", mode=true', False),
        ('name="a\\/", mode=None', False),
        ('name="\\ud83d\\ude00", mode=None', False),
        ('name="\\u00e9\\n\\"", mode=None', True),
        ('name="a", mode=None, other=1', False),
        ('name="a", mode=None,', False),
    ],
)
def test_what_is_allowed(arguments: str, is_allowed: bool) -> None:
    assert allows(tool(SCHEMA), f"[f({arguments})]") is is_allowed


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False))
def test_python_reads_the_same(rng: random.Random) -> None:
    text = random_turn(compiled(tool(SCHEMA)), rng)
    if text is None:
        return
    [call] = parse_calls(tool(SCHEMA), text)
    jsonschema.validate(call.arguments, SCHEMA, jsonschema.Draft202012Validator)
    [node] = ast.parse(text, mode="eval").body.elts  # type: ignore[attr-defined]  # a list of calls
    assert {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords} == call.arguments


@pytest.mark.parametrize(
    ("schema", "error", "message"),
    [
        ({"properties": {"a b": {"type": "null"}}}, UnsupportedSchema, "name of an argument"),
        ({"properties": {"class": {"type": "null"}}}, UnsupportedSchema, "name of an argument"),
        ({"properties": {"a": {"type": "array", "uniqueItems": True}}}, UnsupportedSchema, "'uniqueItems'"),
        ({"properties": {"a": {"oneOf": [{"type": "null"}]}}}, UnsupportedSchema, "'oneOf'"),
        ({"properties": {"a": {"anyOf": [True], "type": "null"}}}, UnsupportedSchema, "'type'"),
        ({"properties": {"a": {"type": "null"}}, "minProperties": 1}, UnsupportedSchema, "'minProperties'"),
        ({"properties": {"a": True}, "additionalProperties": True}, UnsupportedSchema, "those declared"),
        ({"required": ["a"]}, UnsupportedSchema, "'a' is not declared"),
        ({"properties": {"a": 3}}, InvalidSchema, "a schema"),
        ({"properties": {"a": {"type": "text"}}}, InvalidSchema, "one or a list of"),
        ({"properties": {"a": {"anyOf": []}}}, InvalidSchema, "a list of schemas"),
        ({"properties": {"a": {"type": "array", "maxItems": -1}}}, InvalidSchema, "an integer from 0"),
        ({"properties": []}, InvalidSchema, "schemas by name"),
    ],
)
def test_what_is_refused(schema: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        allows(tool({"type": "object", **schema}), "")


def test_nested_schemas_do_not_recurse() -> None:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(80):
        schema = {"type": "array", "items": schema}
    assert allows(tool({"properties": {"a": schema}}), "[f(a=[[]])]")
    for _ in range(200):
        schema = {"type": "array", "items": schema}
    with pytest.raises(ConstraintTooLarge):
        allows(tool({"properties": {"a": schema}}), "")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("a='it\\'s', b = [ 1 , -2.5e3,], c={'k': true}", {"a": "it's", "b": [1, -2500.0], "c": {"k": True}}),
        ('a="\\x41\\U0001F600\\ud83d\\ude00\\q"', {"a": "A😀😀\\q"}),
    ],
)
def test_what_models_write_freely(text: str, arguments: dict[str, object]) -> None:
    assert parse_python_arguments(text) == arguments


@pytest.mark.parametrize(
    "text",
    ["1", "a", "a=", "a=b", "a=1 b=2", "a=1, a=2", "a=[1 2]", "a={1: 2}", 'a="', "a=1e", "a=--1", 'a="\\u12"', "=1"],
)
def test_what_is_no_argument(text: str) -> None:
    with pytest.raises(ValueError, match="at character"):
        parse_python_arguments(text)

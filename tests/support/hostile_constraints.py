"""Constraints that strangers might send to make a compiler hang, die or give in."""

import json
from typing import Any

from palmette.grammar.spec import Choice, Constraint, Ebnf, JsonSchema, Regex


def schema(value: object) -> JsonSchema:
    return JsonSchema(json.dumps(value))


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        value = {"type": "object", "properties": {"a": value}, "required": ["a"]}
    return value


def exponential(depth: int) -> dict[str, Any]:
    """2 ** depth ways to combine."""
    return {"allOf": [{"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]} for i in range(depth)]}


HOSTILE: dict[str, Constraint] = {
    "nested 200 deep": schema(nested(200)),
    "nested 5,000 deep": JsonSchema('{"items":' * 5000 + "true" + "}" * 5000),
    "enum of 20,000": schema({"enum": [f"value {index}" for index in range(20_000)]}),
    "enum of 20,000 in a list": schema({"type": "array", "items": {"enum": [f"v{index}" for index in range(20_000)]}}),
    "counted repeats": Regex("(.{0,50}x){50}"),
    "counted repeats in counted repeats": Regex("((a{0,100}b){0,100}c){0,100}"),
    "a large repeat": Regex("(ab|cd|ef){100000}"),
    "nested stars": Regex("(((a*)*)*)*b"),
    "many alternatives": Regex("|".join(f"{index}x*" for index in range(5_000))),
    "2,000 optional properties": schema(
        {
            "type": "object",
            "properties": {f"p{i}": {"type": "integer"} for i in range(2_000)},
            "additionalProperties": False,
        }
    ),
    "2,000 optional properties, at most 1,000": schema(
        {
            "type": "object",
            "properties": {f"p{i}": True for i in range(2_000)},
            "additionalProperties": False,
            "maxProperties": 1_000,
        }
    ),
    "a million characters": schema({"type": "string", "maxLength": 1_000_000}),
    "a million characters at least": schema({"type": "string", "minLength": 1_000_000}),
    "a billion characters": schema({"type": "string", "minLength": 10**9, "pattern": "^(a|b)*$"}),
    "exponential anyOf": schema(exponential(30)),
    "overlapping oneOf": schema({"oneOf": [{"minimum": i} for i in range(300)]}),
    "recursion without a base": schema({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
    "a reference to itself": schema({"$ref": "#"}),
    "references in a circle": schema(
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}
    ),
    "doubling references": schema(
        {
            "$ref": "#/$defs/d30",
            "$defs": {"d0": {"type": "integer"}}
            | {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i - 1}"}] * 2} for i in range(1, 31)},
        }
    ),
    "doubling tuples": schema(
        {
            "$ref": "#/$defs/d24",
            "$defs": {"d0": {"type": "integer"}}
            | {f"d{i}": {"prefixItems": [{"$ref": f"#/$defs/d{i - 1}"}] * 2, "minItems": 2} for i in range(1, 25)},
        }
    ),
    "ten megabytes": JsonSchema('{"description":"' + "x" * 10_000_000 + '"}'),
    "ten megabytes of properties": schema(
        {"properties": {f"property number {i}": {"type": "null"} for i in range(250_000)}}
    ),
    "a remote reference": schema({"$ref": "http://127.0.0.1:9/schema.json"}),
    "lone surrogates": JsonSchema('{"const":"\\ud800"}'),
    "no JSON": JsonSchema("{"),
    "a large number": schema({"type": "integer", "minimum": -(10**400), "maximum": 10**400}),
    "a long number": JsonSchema('{"minimum":' + "9" * 100_000 + "}"),
    "a wide range": JsonSchema('{"type":"number","minimum":1e-300,"maximum":1e300}'),
    "many multiples": schema({"type": "integer", "multipleOf": 999_983, "minimum": 0, "maximum": 10**12}),
    "a pattern in a property name": schema({"patternProperties": {"(a+)+$": {"type": "integer"}}}),
    "an ambiguous grammar": Ebnf('root ::= root root | "a" | ""'),
    "left recursion": Ebnf('root ::= root "a"'),
    "a grammar of 20,000 rules": Ebnf(
        "root ::= r0\n" + "".join(f'r{i} ::= "a" r{i + 1} | "b"\n' for i in range(20_000)) + 'r20000 ::= "c"\n'
    ),
    "deep parentheses": Ebnf("root ::= " + "(" * 3000 + '"a"' + ")" * 3000),
    "a choice of 200,000": Choice(tuple(f"option {index}" for index in range(200_000))),
}
"""By what is hostile about each."""

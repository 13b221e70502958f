"""Writes docs/what-is-enforced.md: the audit's verdict on an example of every keyword, and the suite's outcome.

    PYTHONPATH=tests/support python docs/generate_enforced.py

The verdicts are asked of the audit, example by example; the suite is run where it is at hand, otherwise its part of
the page is kept as it is.
"""

import json
from collections import Counter
from pathlib import Path

from palmette.grammar.json_schema.formats import ENFORCED_FORMATS, INTEGER_FORMATS
from palmette.grammar.json_schema.keywords import ANNOTATIONS, REFUSED_KEYWORDS, UNKNOWN_REASON
from palmette.grammar.json_schema.schema_compiler import compile_schema
from palmette.grammar.spec import JsonSchema

PAGE = Path(__file__).parent / "what-is-enforced.md"
SUITE_HEADING = "## The official test suite"
_TEXT, _INTEGER = {"type": "string"}, {"type": "integer"}
_PAIR = {"type": "object", "properties": {"a": _INTEGER, "b": _TEXT}}

EXAMPLES: tuple[tuple[str, dict[str, object], str], ...] = (
    ("type", _TEXT, "one type or a list of them"),
    ("enum", {"enum": [1, "a", [2]]}, "the values that every keyword beside it allows"),
    ("const", {"const": {"a": 1}}, "likewise"),
    ("minimum", {"type": "number", "minimum": 0.5}, "digit by digit; likewise maximum"),
    ("exclusiveMinimum", {**_INTEGER, "exclusiveMinimum": 0}, "digit by digit; likewise exclusiveMaximum"),
    ("multipleOf", {**_INTEGER, "multipleOf": 60, "minimum": 0, "maximum": 600}, "listed within narrow bounds"),
    ("multipleOf", {"type": "number", "multipleOf": 0.01}, "powers of ten: so many digits after the point"),
    ("multipleOf", {**_INTEGER, "multipleOf": 25}, "products of 2 and 5: by the last digits"),
    ("multipleOf", {**_INTEGER, "multipleOf": 7}, "anything else"),
    ("minLength", {**_TEXT, "minLength": 3}, "in characters, escapes counted as what they mean; likewise maxLength"),
    ("pattern", {**_TEXT, "pattern": "^[a-z]+$"}, "searched; classes are read as ECMA-262 and Python agree"),
    ("pattern", {**_TEXT, "pattern": "^(ab)+$", "maxLength": 9},
     "beside lengths, formats, other patterns: intersected"),
    ("maxLength", {**_TEXT, "pattern": "^(ab){1,999}c$", "maxLength": 900}, "where the intersection is too large"),
    ("format", {**_TEXT, "format": "date-time"}, "a safe part of each known format"),
    ("properties", _PAIR, "in the order of declaration, or in any"),
    ("required", {**_PAIR, "required": ["b"]}, "where a tight order, or few properties, let a grammar say it"),
    ("additionalProperties", {**_PAIR, "additionalProperties": _INTEGER}, "keys that are none of the declared ones"),
    ("patternProperties", {"type": "object", "patternProperties": {"^a": _TEXT, "z$": _TEXT}},
     "keys are split by pattern"),
    ("propertyNames", {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, "patterns, lengths, lists"),
    ("propertyNames", {"type": "object", "propertyNames": {"not": {"const": "a"}}}, "anything else"),
    ("minProperties", {**_PAIR, "minProperties": 1}, "members are counted; likewise maxProperties"),
    ("dependentRequired", {**_PAIR, "dependentRequired": {"a": ["b"]}}, "as two cases; likewise dependencies"),
    ("dependentSchemas", {**_PAIR, "dependentSchemas": {"a": {"required": ["b"]}}},
     "as two cases; likewise dependencies"),
    ("unevaluatedProperties", {"allOf": [_PAIR], "unevaluatedProperties": False}, "where nothing depends on the value"),
    ("unevaluatedProperties", {"anyOf": [_PAIR, {"type": "object"}], "unevaluatedProperties": False},
     "beside conditions"),
    ("items", {"type": "array", "items": _TEXT}, "likewise prefixItems, additionalItems"),
    ("minItems", {"type": "array", "minItems": 2}, "items are counted; likewise maxItems"),
    ("uniqueItems", {"type": "array", "uniqueItems": True}, "a repeated item is masked where it would close"),
    ("contains", {"type": "array", "contains": {"const": 1}}, "with minContains and maxContains"),
    ("unevaluatedItems", {"type": "array", "prefixItems": [_TEXT], "unevaluatedItems": False},
     "nothing depends on the value"),
    ("unevaluatedItems", {"type": "array", "contains": _TEXT, "unevaluatedItems": False},
     "beside contains or conditions"),
    ("allOf", {"allOf": [_TEXT, {"minLength": 1}]}, "merged"),
    ("anyOf", {"anyOf": [_TEXT, _INTEGER]}, "branches"),
    ("oneOf", {"oneOf": [_TEXT, _INTEGER]}, "branches that exclude each other by type, bounds or a discriminator"),
    ("oneOf", {"oneOf": [{**_INTEGER, "minimum": 0}, {**_INTEGER, "maximum": 9}]}, "branches that overlap"),
    ("not", {"not": _TEXT}, "a type, or one required property"),
    ("not", {"not": {"const": 1}}, "anything else"),
    ("if", {**_PAIR, "if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}},
     "tests of type, const, enum, required and properties: as cases"),
    ("if", {**_TEXT, "if": {"minLength": 3}, "then": {"pattern": "^a"}}, "any other test"),
    ("$ref", {"$ref": "#/$defs/a", "$defs": {"a": _TEXT}}, "pointers, anchors, inner identifiers; siblings count"),
    ("$dynamicRef", {"$dynamicRef": "#a", "$defs": {"a": {"$dynamicAnchor": "a"}}}, "followed by the way taken"),
)  # fmt: skip
"""A keyword, a schema that has it at its root, and what the example stands for."""

_HEAD = """# What is enforced

Generated by `docs/generate_enforced.py` from the audit that every JSON Schema goes through before it is compiled.

Every document that comes out is valid. For each keyword that takes one of these:

- **enforced**: the grammar itself says it, so no token that would break it is ever offered;
- **guarded**: the grammar allows more, and the closing token of a value that would break it is masked. Where that
  leaves no token, what was written is taken back to the last choice and another way is taken;
- **refused**: the schema is not compiled, and the error names the place (a JSON pointer), the keyword and the reason.
  `JsonSchema(..., on_unsupported="warn")` drops such keywords instead, each with an `UnenforcedKeyword` warning.

`palmette.grammar.json_schema.schema_compiler.audit_schema` gives the verdicts for a schema of yours.

## Keywords of drafts 2020-12, 7 and 4

| keyword | for | verdict | example |
|---|---|---|---|
"""


_SUITE_HEAD = """

Groups of the JSON-Schema-Test-Suite (core: all but `format` and `vocabulary`). Right: every valid instance is
accepted and every invalid one is not. Stricter: some valid instance is not accepted, as a tight reading means it.

| draft | reading | property order | right | stricter | let through | refused |
|---|---|---|---|---|---|---|
"""


def keyword_part() -> str:
    """The page up to the suite's part."""
    lines = [_HEAD]
    for keyword, schema, note in EXAMPLES:
        grammar = compile_schema(JsonSchema(json.dumps(schema)))
        verdict = next(entry.verdict for entry in grammar.audit if (entry.pointer, entry.keyword) == ("", keyword))
        lines.append(f"| `{keyword}` | {note} | {verdict} | `{_cell(json.dumps(schema))}` |\n")
    annotations = ", ".join(f"`{keyword}`" for keyword in sorted(ANNOTATIONS))
    lines.append(f"\nThese annotate and forbid nothing: {annotations}, and all that begin with `x-`.\n")
    formats = ", ".join(f"`{name}`" for name in sorted(ENFORCED_FORMATS))
    bounds = ", ".join(f"`{name}`" for name in sorted(INTEGER_FORMATS))
    lines.append(f"\nFormats of strings: {formats}; of integers, as bounds: {bounds}.\n")
    lines.append("\n## Refused\n\n| what | why |\n|---|---|\n")
    refused = {f"`{keyword}`": reason for keyword, reason in REFUSED_KEYWORDS.items()}
    refused["a keyword or format that is not known"] = f"{UNKNOWN_REASON}; read literally, it annotates"
    refused["a `$ref` that leads out of the schema"] = "nothing is ever fetched; copy the schema under $defs"
    refused["a `$recursiveRef`"] = "its target depends on the way taken; use $dynamicRef, or $ref"
    refused["a `$ref` that comes back to itself in place"] = "the schema refers to itself without consuming anything"
    refused["look-around, back-references and anchors inside a `pattern`"] = "no grammar says them"
    refused["an exclusive bound of more than 15 digits"] = "floats cannot tell it from its neighbours"
    lines += [f"| {_cell(what)} | {_cell(why)} |\n" for what, why in refused.items()]
    return "".join(lines) + "\n"


def suite_part() -> str:
    """What becomes of the official suite's groups; the page's own account of it where the suite is not at hand."""
    from suite_groups import SUITE, run_suite

    if not SUITE.is_dir():
        return PAGE.read_text(encoding="utf-8").partition(SUITE_HEADING)[2]
    lines = [_SUITE_HEAD]
    refused = ["\n| draft | refused group | reason |\n|---|---|---|\n"]
    for draft in ("draft2020-12", "draft7"):
        for options in (JsonSchema("", "compact", "literal", "any"), JsonSchema("", "compact", "tight", "declared")):
            outcomes = run_suite(draft, options)
            counts = Counter(outcome.verdict for outcome in outcomes)
            numbers = " | ".join(str(counts[verdict]) for verdict in ("right", "stricter", "let through", "refused"))
            lines.append(f"| {draft} | {options.reading} | {options.property_order} | {numbers} |\n")
            if options.reading == "literal":
                refused += [
                    f"| {draft} | {_cell(outcome.group)} | {_cell(outcome.reason)} |\n"
                    for outcome in outcomes
                    if outcome.verdict == "refused"
                ]
    return "".join([*lines, *refused])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(keyword_part() + SUITE_HEADING + suite_part(), encoding="utf-8")

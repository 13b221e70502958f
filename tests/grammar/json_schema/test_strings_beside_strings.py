"""Strings of several kinds in one schema: each has its own rules, whatever the others are called."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.acceptance import accepts
from palmette.grammar.spec import JsonSchema

FOUND: tuple[tuple[dict[str, Any], str], ...] = (
    ({"type": "object", "propertyNames": {}, "additionalProperties": {"maxLength": 1}}, '{"a":"xyz"}'),
    ({"type": "object", "propertyNames": {}, "unevaluatedProperties": {"maxLength": 0}}, '{"a":"x"}'),
    (
        {"properties": {"a": {"type": "string", "pattern": "date"}, "b": {"type": "string", "format": "date"}}},
        '{"b":"date"}',
    ),
    (
        {"properties": {"a": {"type": "string", "format": "date"}, "b": {"type": "string", "pattern": "date"}}},
        '{"b":"2020-01-01"}',
    ),
)
"""Schemas, and what they were once thought to allow: rules of the same name stood for different strings."""


@pytest.mark.parametrize(("schema", "document"), FOUND)
def test_no_rule_stands_for_another(schema: dict[str, Any], document: str) -> None:
    checker = jsonschema.FormatChecker()
    assert not jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(json.loads(document))
    assert not accepts(JsonSchema(json.dumps(schema), "compact", "literal"), document)


_LENGTHS = {"minLength": st.integers(0, 5), "maxLength": st.integers(0, 6)}
_PATTERNS = {"pattern": st.sampled_from(["^a*$", "^[ab]+$", "b", "^a?b?a?$", "^(ab|ba){1,2}$"])}
_STRINGS = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional=_LENGTHS),
    st.fixed_dictionaries({"type": st.just("string"), **_PATTERNS}, optional=_LENGTHS),
    st.fixed_dictionaries({"type": st.just("string"), "not": st.just({"enum": ["a", "ab"]})}, optional=_LENGTHS),
)
_OBJECTS = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("pqrs"), _STRINGS, max_size=4)},
    optional={
        "propertyNames": st.sampled_from([{}, {"maxLength": 3}, {"pattern": "^[a-z]*$"}, {"minLength": 1}]),
        "additionalProperties": _STRINGS,
        "patternProperties": st.dictionaries(st.sampled_from(["^x", "y$"]), _STRINGS, max_size=2),
    },
)
_TEXTS = st.text("ab", max_size=7)


@settings(max_examples=150, deadline=None)
@given(_OBJECTS, st.lists(st.dictionaries(st.sampled_from(["p", "q", "r", "s", "x", "xy", "z"]), _TEXTS), max_size=12))
def test_each_string_is_held_to_its_own(schema: dict[str, Any], documents: list[dict[str, str]]) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    constraint = JsonSchema(json.dumps(schema), "compact", "literal", property_order="any")
    for document in documents:
        text = json.dumps(document, separators=(",", ":"))
        assert accepts(constraint, text) == validator.is_valid(document), text

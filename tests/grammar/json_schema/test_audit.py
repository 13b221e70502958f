"""The audit: a verdict on every keyword, and warnings for what is dropped."""

import warnings
from collections.abc import Callable

import pytest

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import UnsupportedSchema
from palmette.grammar.json_schema.audit import AuditEntry, UnenforcedKeyword
from palmette.grammar.json_schema.schema_compiler import audit_schema, compile_schema
from palmette.grammar.spec import JsonSchema


def _verdicts(entries: tuple[AuditEntry, ...]) -> dict[str, str]:
    return {f"{entry.pointer}/{entry.keyword}": entry.verdict for entry in entries}


def test_every_keyword_has_a_verdict(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {
        "title": "t",
        "type": "object",
        "properties": {"a": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/i"}},
         "b": {"not": {"const": 1}}},
        "$defs": {"i": {"type": "integer", "multipleOf": 3}, "unused": {"whatever": 1}},
        "x-mine": 1,
        "then": {},
    }  # fmt: skip
    assert _verdicts(compile_schema(schema_of(schema)).audit) == {
        "/title": "annotation",
        "/type": "enforced",
        "/properties": "enforced",
        "/$defs": "annotation",
        "/x-mine": "annotation",
        "/then": "annotation",
        "/properties/a/type": "enforced",
        "/properties/a/uniqueItems": "guarded",
        "/properties/a/items": "enforced",
        "/properties/a/items/$ref": "enforced",
        "/properties/b/not": "guarded",
        "/properties/b/not/const": "guarded",
        "/$defs/i/type": "enforced",
        "/$defs/i/multipleOf": "guarded",
    }


def test_refused_keywords_are_dropped_with_a_warning(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLenght": 3}, "b": {"$ref": "https://c.d/e"}}}
    constraint = schema_of(schema, on_unsupported="warn")
    with pytest.warns(UnenforcedKeyword) as caught:
        grammar = compile_schema(constraint)
    assert [str(warning.message).split("'")[1] for warning in caught] == ["minLenght", "$ref"]
    refused = [entry for entry in grammar.audit if entry.verdict == "refused"]
    assert [(entry.pointer, entry.keyword) for entry in refused] == [
        ("/properties/a", "minLenght"),
        ("/properties/b", "$ref"),
    ]
    assert all(entry.reason for entry in refused)
    with pytest.warns(UnenforcedKeyword):
        assert accepts(constraint, '{"a":"x","b":[1]}')
    with pytest.raises(UnsupportedSchema):
        compile_schema(schema_of(schema))


def test_what_only_compiling_finds_is_dropped_too(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {"type": "number", "exclusiveMinimum": 0.1234567890123456789}
    with pytest.warns(UnenforcedKeyword, match="exclusiveMinimum"):
        compile_schema(schema_of(schema, on_unsupported="warn"))


def test_the_audit_lists_all_refusals_without_a_warning(schema_of: Callable[..., JsonSchema]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entries = audit_schema(schema_of({"minLenght": 1, "items": {"nullable": True}, "type": "array"}))
    assert {key for key, verdict in _verdicts(entries).items() if verdict == "refused"} == {
        "/minLenght",
        "/items/nullable",
    }


def test_unknown_keywords_annotate_in_a_literal_reading(schema_of: Callable[..., JsonSchema]) -> None:
    schema = {"type": "string", "minLenght": 3, "format": "colour"}
    assert accepts(schema_of(schema, reading="literal"), '"a"')
    verdicts = _verdicts(compile_schema(schema_of(schema, reading="literal")).audit)
    assert verdicts == {"/type": "enforced", "/minLenght": "annotation", "/format": "annotation"}


@pytest.mark.parametrize("option", ["reading", "property_order", "on_unsupported"])
def test_unknown_options_raise(schema_of: Callable[..., JsonSchema], option: str) -> None:
    with pytest.raises(ValueError, match=option):
        compile_schema(schema_of({}, **{option: "other"}))

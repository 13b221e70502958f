"""Validator: right on the official suite and beside jsonschema, exact, undecided where readers disagree."""

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.errors import ConstraintTooLarge, GrammarError, InvalidSchema, UnsupportedConstraint
from palmette.grammar.guards import validator as validator_module
from palmette.grammar.guards.json_value_reader import read_json
from palmette.grammar.guards.outcome import INVALID, UNKNOWN, OpenText
from palmette.grammar.guards.validator import Validator, is_valid, keyword_holds
from palmette.grammar.json_schema.document import SchemaDocument

SUITE = Path(__file__).parents[4] / "shared" / "data" / "json-schema-test-suite"
LEAST_RIGHT = {"draft2020-12": 350, "draft7": 240}
DIALECTS = {"draft2020-12": {}, "draft7": {"$schema": "http://json-schema.org/draft-07/schema#"}}


def judge(schema: object, value: object) -> object:
    document = SchemaDocument(json.dumps(schema))
    return Validator(document).outcome(document.root, read_json(json.dumps(value)))


def holds(schema: object, value: object) -> bool:
    return isinstance(judge(schema, value), frozenset)


@pytest.mark.skipif(not SUITE.is_dir(), reason=f"the suite is not at {SUITE}")
@pytest.mark.parametrize("draft", LEAST_RIGHT)
def test_the_official_suite(draft: str) -> None:
    num_right = 0
    for path in sorted((SUITE / draft).glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            schema = group["schema"]
            try:
                document = SchemaDocument(json.dumps(DIALECTS[draft] | schema if isinstance(schema, dict) else schema))
                validator = Validator(document, asserts_format=False)
                for test in group["tests"]:
                    value = read_json(json.dumps(test["data"]))
                    assert validator.is_valid(document.root, value) is test["valid"], (path.name, group, test)
            except UnsupportedConstraint:  # references to other documents, classes of Unicode
                continue
            num_right += 1
    assert num_right >= LEAST_RIGHT[draft]


_values = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2, -1, 1.5, 0.3, "", "a", "ab", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_counts = st.integers(0, 3)


def _schemas(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    several = st.lists(inner, min_size=1, max_size=3)
    by_name = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    names = st.lists(st.sampled_from("abc"), max_size=2, unique=True)
    keywords = {
        "type": st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"]),
        "enum": st.lists(_values, min_size=1, max_size=3),
        "const": _values,
        "minimum": st.integers(-1, 2),
        "exclusiveMaximum": st.sampled_from([1, 1.5]),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": _counts,
        "maxLength": _counts,
        "pattern": st.sampled_from(["a", "^a", "b$", "^(ab)*$", "é"]),
        "required": names,
        "minProperties": _counts,
        "maxProperties": _counts,
        "properties": by_name,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b|c"]), inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "dependentRequired": st.dictionaries(st.sampled_from("abc"), names, max_size=2),
        "dependentSchemas": by_name,
        "minItems": _counts,
        "maxItems": _counts,
        "uniqueItems": st.booleans(),
        "prefixItems": several,
        "items": inner,
        "contains": inner,
        "minContains": _counts,
        "maxContains": _counts,
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "unevaluatedProperties": inner,
        "unevaluatedItems": inner,
    }
    chosen = st.lists(st.sampled_from(list(keywords)), min_size=1, max_size=4, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


schemas = st.recursive(st.booleans(), _schemas, max_leaves=6)


@settings(max_examples=250, deadline=None)
@given(schemas, st.lists(_values, min_size=1, max_size=4))
def test_agrees_with_jsonschema(schema: object, values: list[object]) -> None:
    reference = jsonschema.Draft202012Validator(schema)
    for value in values:
        assert holds(schema, value) is reference.is_valid(value), (schema, value)


@settings(max_examples=150, deadline=None)
@given(schemas, _values, st.text("abé", max_size=2), st.text("abé", max_size=2))
def test_what_is_said_of_an_open_text_holds_of_every_text(schema: object, value: object, begin: str, end: str) -> None:
    document = SchemaDocument(json.dumps(schema))
    validator = Validator(document)
    item = read_json(json.dumps(value))
    cases = (
        (OpenText(begin), begin + end),
        ({"a": OpenText(begin), "b": [item, OpenText(begin)]}, {"a": begin + end, "b": [item, begin + end]}),
    )
    for sketch, whole in cases:
        outcome = validator.outcome(document.root, sketch)
        if outcome is not UNKNOWN:
            assert (outcome is INVALID) is (validator.outcome(document.root, whole) is INVALID)


def test_decimals_are_exact() -> None:
    assert holds({"multipleOf": 0.1}, 0.3)
    assert not holds({"multipleOf": 0.1}, 0.35)
    document = SchemaDocument('{"multipleOf": 0.0001, "exclusiveMaximum": 1e30}')
    assert is_valid(document, document.root, Decimal("999999999999999999999999999999.9999"))
    assert not is_valid(document, document.root, 10**30)
    assert holds({"const": 1}, 1.0)
    assert not holds({"const": 1}, True)
    assert not holds({"uniqueItems": True}, [{"a": 1, "b": [0]}, {"b": [0], "a": 1.0}])


def test_one_keyword_reads_those_it_depends_on() -> None:
    document = SchemaDocument(
        '{"properties": {"a": {"type": "string"}}, "additionalProperties": false, "if": {"required": ["a"]}, '
        '"then": {"maxProperties": 0}, "contains": {"const": 1}, "maxContains": 1}'
    )
    assert keyword_holds(document, document.root, "additionalProperties", {"a": 1})
    assert not keyword_holds(document, document.root, "additionalProperties", {"b": 1})
    assert not keyword_holds(document, document.root, "properties", {"a": 1})
    assert not keyword_holds(document, document.root, "then", {"a": ""})
    assert not keyword_holds(document, document.root, "maxContains", [1, 1])
    assert keyword_holds(document, document.root, "minLength", "")


def test_where_readers_disagree_nothing_is_valid_nor_invalid() -> None:
    digit = {"pattern": "^\\d$"}
    assert judge(digit, "٣") is UNKNOWN
    assert judge({"not": digit}, "٣") is UNKNOWN
    assert judge({"oneOf": [digit, True]}, "٣") is UNKNOWN
    assert holds({"anyOf": [digit, True]}, "٣")
    assert judge({"not": {"anyOf": [digit, False]}}, "٣") is UNKNOWN
    assert judge({"allOf": [digit, False]}, "٣") is INVALID
    assert judge({"contains": digit, "minContains": 2}, ["٣"]) is INVALID
    assert judge({"if": digit, "then": False}, "٣") is UNKNOWN
    quoted_address = '"a b"@example.org'
    assert judge({"not": {"format": "email"}}, quoted_address) is UNKNOWN
    assert holds({"not": {"format": "date"}}, "20240101")
    assert holds({"format": "ipv4"}, "127.0.0.1")


def test_depth_costs_no_python_frames() -> None:
    value: object = 1
    for level in range(240):
        value = [value] if level % 2 else {"a": value}
    again = {"$ref": "#/$defs/tree"}
    branch = {"items": again, "additionalProperties": again, "not": {"type": ["number", "string"]}}
    schema = {"$defs": {"tree": {"anyOf": [{"const": 1}, branch]}}, **again, "uniqueItems": True}
    assert holds(schema, value)
    assert holds({"enum": [0, value]}, value)


def test_a_schema_that_only_refers_to_itself_is_too_large() -> None:
    with pytest.raises(ConstraintTooLarge):
        judge({"$ref": "#"}, 1)


@pytest.mark.parametrize(
    "schema", [{"minLength": "3"}, {"allOf": {}}, {"required": [1]}, {"properties": []}, {"pattern": 1}]
)
def test_malformed_keywords_are_said_with_their_place(schema: dict[str, object]) -> None:
    [keyword] = schema
    with pytest.raises(InvalidSchema, match=keyword):
        judge(schema, {"a": [1]})


def test_draft_4_bounds() -> None:
    assert not holds({"minimum": 1, "exclusiveMinimum": True}, 1)
    assert holds({"minimum": 1, "exclusiveMinimum": False}, 1)
    with pytest.raises(GrammarError):
        judge({"pattern": "(?=a)"}, "a")


def test_schemas_that_double_at_each_level_end_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty levels that each ask the next one twice: a thousand million schemas about one value."""
    monkeypatch.setattr(validator_module, "MAX_STEPS", 1_000)
    levels = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(30)}
    schema = {"$defs": {**levels, "a30": {"type": "integer"}}, "$ref": "#/$defs/a0"}
    with pytest.raises(ConstraintTooLarge, match="schemas asked about one value"):
        judge(schema, 1)

"""What is said of values that stand for many is true of each of them."""

import json
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from palmette.grammar.guards.open_string import open_text
from palmette.grammar.guards.outcome import (
    INVALID,
    UNKNOWN,
    Anything,
    OpenItems,
    OpenMembers,
    OpenText,
    SomeNumber,
)
from palmette.grammar.guards.validator import Validator
from palmette.grammar.json_schema.document import SchemaDocument
from palmette.grammar.json_text.json_value import Json

KEYS = st.sampled_from(["a", "b", "bc"])
scalars: st.SearchStrategy[Json] = st.one_of(
    st.none(), st.booleans(), st.integers(0, 4), st.just(Decimal("1.5")), st.sampled_from(["", "a", "ab", "abc", "b"])
)
_leaf = st.sampled_from(
    [
        True, False, {"type": "string"}, {"type": "integer"}, {"type": ["object", "null"]}, {"const": "ab"},
        {"enum": [1, "abc", None, True]}, {"multipleOf": 2}, {"minimum": 2}, {"maxLength": 1}, {"minLength": 2},
        {"pattern": "^ab"}, {"required": ["a"]}, {"minItems": 1}, {"const": {"a": 1}},
    ]
)  # fmt: skip


def _schemas(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    keywords = {
        "properties": st.dictionaries(KEYS, inner, max_size=2),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
        "additionalProperties": inner,
        "propertyNames": st.just({"maxLength": 1}),
        "required": st.lists(KEYS, max_size=2, unique=True),
        "minProperties": st.integers(0, 2),
        "maxProperties": st.integers(0, 2),
        "dependentRequired": st.just({"a": ["b"]}),
        "dependentSchemas": st.dictionaries(KEYS, inner, max_size=1),
        "dependencies": st.dictionaries(KEYS, st.one_of(inner, st.just(["b"])), max_size=1),
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "minItems": st.integers(0, 2),
        "maxItems": st.integers(0, 2),
        "uniqueItems": st.just(True),
        "contains": inner,
        "minContains": st.integers(0, 2),
        "maxContains": st.integers(0, 2),
        "if": inner,
        "then": inner,
        "else": inner,
        "not": inner,
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=2, max_size=2),
        "unevaluatedProperties": inner,
        "unevaluatedItems": inner,
    }
    chosen = st.lists(st.sampled_from(list(keywords)), min_size=1, max_size=4, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


schemas = st.recursive(_leaf, _schemas, max_leaves=6)


@st.composite
def growths(draw: st.DrawFn, depth: int = 2) -> tuple[Json, Json]:
    """A value that stands for many, and one of those."""
    kinds = ["scalar", "anything", "number", "text"] + (["object", "array"] if depth else [])
    match draw(st.sampled_from(kinds)):
        case "scalar":
            value = draw(scalars)
            return value, value
        case "anything":
            return Anything(), draw(growths(depth=0) if not depth else growths(depth=depth - 1))[1]
        case "number":
            return SomeNumber(), draw(st.sampled_from([0, 1, 2, 3, Decimal("1.5")]))
        case "text":
            text = draw(st.sampled_from(["", "a", "ab", "abc", "b"]))
            cut = draw(st.integers(0, len(text)))
            return OpenText(text[:cut], None if cut == len(text) else draw(st.sampled_from([None, b"", b"\\u"]))), text
        case "object":
            members = draw(st.dictionaries(KEYS, growths(depth=depth - 1), max_size=3))
            keys = list(members)
            num_known = draw(st.integers(0, len(keys)))
            known = {key: members[key][0] for key in keys[:num_known]}
            is_open = num_known < len(keys) or draw(st.booleans())
            return (OpenMembers(known) if is_open else known), {key: members[key][1] for key in keys}
        case _:
            items = draw(st.lists(growths(depth=depth - 1), max_size=3))
            num_known = draw(st.integers(0, len(items)))
            begun = [item for item, _ in items[:num_known]]
            is_open = num_known < len(items) or draw(st.booleans())
            return (OpenItems(begun) if is_open else begun), [item for _, item in items]


@settings(max_examples=300, deadline=None)
@given(schemas, growths())
@example({"minItems": 1}, (OpenItems([]), []))
@example({"dependencies": {"a": ["b"]}, "unevaluatedProperties": False}, (OpenMembers({"a": 1}), {"a": 1}))
@example({"minProperties": 1}, (OpenMembers({}), {}))
def test_what_is_said_of_many_is_true_of_each(schema: object, growth: tuple[Json, Json]) -> None:
    begun, grown = growth
    document = SchemaDocument(json.dumps(schema))
    validator = Validator(document)
    said, outcome = validator.outcome(document.root, begun), validator.outcome(document.root, grown)
    if outcome is not UNKNOWN and said is not UNKNOWN:
        assert (said is INVALID) is (outcome is INVALID), (said, outcome)


ANY_OF = {
    "properties": {"foo": {"type": "string"}},
    "anyOf": [
        {"properties": {"bar": {"const": "bar"}}, "required": ["bar"]},
        {"properties": {"baz": {"const": "baz"}}, "required": ["baz"]},
    ],
    "unevaluatedProperties": False,
}
CONDITION = {
    "if": {"properties": {"foo": {"const": "then"}}, "required": ["foo"]},
    "then": {"properties": {"bar": True}, "required": ["bar"]},
    "else": {"properties": {"baz": True}, "required": ["baz"]},
    "unevaluatedProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "begun", "is_lost"),
    [
        (ANY_OF, {"foo": "x"}, False),
        (ANY_OF, {"foo": "x", "baz": OpenText("ba")}, False),
        (ANY_OF, {"foo": "x", "baz": OpenText("bo")}, True),
        (ANY_OF, {"foo": "x", "quux": Anything()}, True),
        (CONDITION, {"bar": 1}, False),
        (CONDITION, {"bar": 1, "baz": Anything()}, True),
        ({"contains": {"const": 1}, "maxItems": 2}, [2], False),
        ({"contains": {"const": 1}, "maxItems": 2}, [2, 2], True),
        ({"not": {"required": ["a"]}}, {"a": Anything()}, True),
        ({"not": {"required": ["a", "b"]}}, {"a": Anything()}, False),
    ],
)
def test_what_is_lost(schema: object, begun: dict[str, Json] | list[Json], is_lost: bool) -> None:
    document = SchemaDocument(json.dumps(schema))
    growing = OpenMembers(begun) if isinstance(begun, dict) else OpenItems(begun)
    assert (Validator(document).outcome(document.root, growing) is INVALID) is is_lost


@pytest.mark.parametrize(
    ("raw", "can", "cannot"),
    [
        (b"ab", ["ab", "abc"], ["a", "b"]),
        ("aé".encode()[:2], ["aé", "aÀb"], ["a", "ae", "aĀ"]),
        (b"a\\", ["ab"], ["a"]),
        (b"a\\u00E", ["aé", "aê"], ["a", "a\u1234"]),
        (b"\\ud83d", ["\U0001f600"], []),
        (b"\\ud8", ["\U0001f600"], ["x"]),
        (b"\\n" + "😀".encode()[:3], ["\n😀", "\n😁"], ["\n", "\n\u1234"]),
    ],
)
def test_what_an_open_string_can_be(raw: bytes, can: list[str], cannot: list[str]) -> None:
    text = open_text(raw)
    assert all(map(text.can_be, can))
    assert not any(map(text.can_be, cannot))

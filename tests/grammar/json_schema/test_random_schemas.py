"""Random schemas and random documents: what is accepted is what the `jsonschema` library calls valid."""

import json

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import ConstraintTooLarge, UnsatisfiableConstraint, UnsupportedSchema
from palmette.grammar.spec import JsonSchema, Reading

_NAMES = st.sampled_from(["a", "b", "ab", 'q"', "é"])
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 12), st.sampled_from([0.5, -1.25, 2.75, "", "a", 'b"', "é\n"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=3)),
    max_leaves=4,
)
_SMALL = st.integers(0, 3)
_NAME_LISTS = st.lists(_NAMES, max_size=2, unique=True)


def _some_of(options: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries({}, optional=options)


def _schemas_over(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    lists = st.lists(inner, min_size=1, max_size=2)
    objects = {
        "type": st.just("object"),
        "properties": st.dictionaries(_NAMES, inner, max_size=3),
        "required": _NAME_LISTS,
        "additionalProperties": inner,
        "minProperties": _SMALL,
        "maxProperties": _SMALL,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", "é"]), inner, max_size=2),
        "propertyNames": inner,
        "dependentRequired": st.dictionaries(_NAMES, _NAME_LISTS, max_size=2),
        "dependentSchemas": st.dictionaries(_NAMES, inner, max_size=1),
        "unevaluatedProperties": inner,
        "anyOf": lists,
    }
    arrays = {
        "type": st.just("array"),
        "items": inner,
        "prefixItems": lists,
        "minItems": _SMALL,
        "maxItems": _SMALL,
        "uniqueItems": st.booleans(),
        "contains": inner,
        "minContains": _SMALL,
        "maxContains": _SMALL,
        "unevaluatedItems": inner,
        "allOf": lists,
    }
    branches = {"anyOf": lists, "oneOf": lists, "allOf": lists, "not": inner, "if": inner, "then": inner, "else": inner}
    recursive = st.sampled_from([{"items": {"$ref": "#"}}, {"additionalProperties": {"$ref": "#"}}])
    return st.one_of(_some_of(objects), _some_of(arrays), _some_of(branches), recursive)


_BOUNDS = st.one_of(st.integers(-2, 9), st.sampled_from([-0.5, 0.125, 2.75]))
_SCHEMAS = st.recursive(
    st.one_of(
        st.booleans(),
        st.just({}),
        st.sampled_from(["null", "boolean", "number", "integer", "string", "object", "array"]).map(
            lambda t: {"type": t}
        ),
        st.builds(lambda values: {"enum": values}, st.lists(_VALUES, min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, _VALUES),
        _some_of({"minLength": _SMALL, "maxLength": _SMALL, "pattern": st.sampled_from(["^a", "b", "^[ab]*$", '"'])}),
        _some_of(
            {
                "minimum": _BOUNDS,
                "maximum": _BOUNDS,
                "exclusiveMinimum": _BOUNDS,
                "multipleOf": st.sampled_from([1, 2, 3, 5, 0.5, 0.25, 2.5]),
            }
        ),
        st.builds(lambda name: {"properties": {name: {"const": 1}}, "required": [name]}, _NAMES),
    ),
    _schemas_over,
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(_SCHEMAS, st.lists(_VALUES, min_size=2, max_size=4), st.booleans())
def test_what_is_accepted_validates(exact, schema: object, values: list[object], is_letter: bool) -> None:
    """By the letter and in any order, exactly what is valid is accepted; else nothing that is not."""
    reading: Reading = "literal" if is_letter else "tight"
    constraint = JsonSchema(json.dumps(schema), "compact", reading, property_order="any" if is_letter else "declared")
    validator = jsonschema.Draft202012Validator(exact(constraint.schema))
    for value in values:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        is_valid = validator.is_valid(exact(text))
        try:
            is_accepted = accepts(constraint, text)
        except UnsatisfiableConstraint:
            is_accepted = False
        except (UnsupportedSchema, ConstraintTooLarge):
            return
        assert is_accepted == is_valid if is_letter else is_accepted <= is_valid, text


@settings(max_examples=60, deadline=None)
@given(
    _SCHEMAS,
    st.sampled_from(["compact", "spaced", "flexible", 0, 2]),
    st.sampled_from(["tight", "literal"]),
    st.sampled_from(["declared", "any"]),
)
def test_random_walks_end_in_valid_documents(
    walker, schema: object, whitespace: str | int, reading: Reading, order: str
) -> None:
    constraint = JsonSchema(json.dumps(schema), whitespace, reading, property_order=order)
    try:
        walker.check_documents(constraint, num_walks=2)
    except (UnsupportedSchema, UnsatisfiableConstraint, ConstraintTooLarge):
        return

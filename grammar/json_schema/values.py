"""Listed values: those of an enum that the keywords beside it leave, and how each is written."""

from itertools import permutations

from ..errors import ConstraintTooLarge
from ..guards.validator import is_valid, keyword_holds
from ..json_text.json_value import Json
from ..json_text.strings import quoted_literal
from ..rules.expression import Expression, Literal, concat, either, optional
from .document import Node, SchemaDocument
from .facts import Conjunct, SchemaFacts, type_of
from .goals import Goals
from .keywords import IN_PLACE_KEYWORDS

MAX_ENUM_LEN = 100_000
MAX_ORDERED_KEYS = 4


def allowed_values(document: SchemaDocument, conjuncts: tuple[Conjunct, ...], facts: SchemaFacts) -> list[Json]:
    """The members of `facts.values` for which every conjunct holds. A value that cannot be judged is left out."""
    if facts.is_false:
        return []
    values = [value for value in facts.values or [] if type_of(value) in facts.types]
    is_plain = not facts.checks and not facts.groups and all(_only_lists(node) for node in facts.own)
    return (
        values if is_plain else [value for value in values if all(_holds(document, each, value) for each in conjuncts)]
    )


def _only_lists(node: Node) -> bool:
    return isinstance(node.value, dict) and not (node.value.keys() & _JUDGING)


_JUDGING = frozenset(
    (
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
        "format", "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
        "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies",
        "unevaluatedProperties", "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems",
        "contains", "unevaluatedItems", "not", "if",
    )
)  # fmt: skip


def _holds(document: SchemaDocument, conjunct: Conjunct, value: Json) -> bool:
    node = conjunct.node
    if not conjunct.is_bare or not isinstance(node.value, dict):
        return is_valid(document, node, value)
    return all(
        keyword_holds(document, node, keyword, value)
        for keyword in node.value
        if keyword not in IN_PLACE_KEYWORDS - {"not"}
    )


def listed_texts(goals: Goals, values: list[Json]) -> tuple[str, ...] | None:
    """The documents that the values are; None where one can be written in more than one way."""
    if any(_has_spellings(goals, value) for value in values):
        return None
    return tuple(dict.fromkeys(goals.layout.dump(value, 0) for value in values))


def values_rule(goals: Goals, values: list[Json], depth: int) -> Expression:
    """Any one of the values."""
    options = [_written(goals, value, depth) for value in values]
    total_len = sum(len(option.text) for option in options if isinstance(option, Literal))
    if total_len > MAX_ENUM_LEN:
        raise ConstraintTooLarge("characters of an enum", MAX_ENUM_LEN, total_len)
    return either(options)


def _has_spellings(goals: Goals, value: Json) -> bool:
    match value:
        case bool():
            return False
        case int():
            return not goals.is_tight
        case dict():
            is_ordered_freely = goals.has_any_order and 1 < len(value) <= MAX_ORDERED_KEYS
            return is_ordered_freely or any(_has_spellings(goals, item) for item in value.values())
        case list():
            return any(_has_spellings(goals, item) for item in value)
        case _:
            return False


def _written(goals: Goals, value: Json, depth: int) -> Expression:
    """One value: objects in any order of their members where that is asked for, read literally 1 also as 1.0."""
    if not _has_spellings(goals, value):
        return Literal(goals.layout.dump(value, depth))
    layout = goals.layout
    inner = layout.inner_depth(depth)
    if isinstance(value, list):
        items = [_written(goals, item, inner) for item in value]
        return layout.wrapped("[]", _joined(items, layout.comma(depth)), depth)
    if isinstance(value, dict):
        pairs = [
            concat(Literal(quoted_literal(key)), layout.colon(), _written(goals, item, inner))
            for key, item in value.items()
        ]
        orders = permutations(pairs) if goals.has_any_order and len(pairs) <= MAX_ORDERED_KEYS else [tuple(pairs)]
        return either(layout.wrapped("{}", _joined(list(order), layout.comma(depth)), depth) for order in orders)
    return concat(Literal(layout.dump(value, depth)), optional(Literal(".0")))


def _joined(parts: list[Expression], comma: Expression) -> Expression:
    joined = parts[0]
    for part in parts[1:]:
        joined = concat(joined, comma, part)
    return joined

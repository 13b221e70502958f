"""Which values of an enum the keywords beside it leave."""

from decimal import Decimal

from ..errors import ConstraintTooLarge, UnsupportedSchema
from ..json_text.json_value import Json
from ..notations.regex import Dialect, parse_regex
from ..rules.expression import matches
from .document import Node
from .facts import SchemaFacts, type_of
from .formats import format_expression

MAX_MATCH_WORK = 1_000_000


def allowed_values(facts: SchemaFacts) -> list[Json]:
    """The members of `facts.values` that meet the other facts; refuses what it cannot judge."""
    return [value for value in facts.values or [] if not facts.is_false and _is_allowed(value, facts)]


def search_matches(pattern: str, node: Node, text: str) -> bool:
    """Whether `pattern` is found in `text`; refuses where dialects of regular expressions disagree."""
    if len(text) * len(pattern) > MAX_MATCH_WORK:
        raise ConstraintTooLarge("characters of text times pattern", MAX_MATCH_WORK, len(text) * len(pattern))
    strict = matches(parse_regex(pattern, Dialect.SHARED, is_search=True), text)
    loose = matches(parse_regex(pattern, Dialect.LOOSE, is_search=True), text)
    if strict is not loose:
        raise UnsupportedSchema(
            node.pointer, "pattern", f"dialects of regular expressions disagree whether {pattern!r} matches {text!r}"
        )
    return strict


def _is_allowed(value: Json, facts: SchemaFacts) -> bool:
    if type_of(value) not in facts.types:
        return False
    match value:
        case bool() | None:
            return True
        case int() | Decimal():
            return _is_number_allowed(Decimal(value), facts)
        case str():
            return _is_string_allowed(value, facts)
        case list():
            if facts.arrays:
                raise UnsupportedSchema(facts.arrays[0].node.pointer, "items", "it stands beside an enum of arrays")
            return _is_count_allowed(len(value), facts.min_items, facts.max_items)
        case dict():
            if facts.objects:
                raise UnsupportedSchema(
                    facts.objects[0].node.pointer, "properties", "it stands beside an enum of objects"
                )
            has_all = all(name in value for name in facts.required)
            return has_all and _is_count_allowed(len(value), facts.min_properties, facts.max_properties)


def _is_number_allowed(value: Decimal, facts: SchemaFacts) -> bool:
    low, high = facts.lower, facts.upper
    if low is not None and (value < low.value or (low.is_exclusive and value == low.value)):
        return False
    if high is not None and (value > high.value or (high.is_exclusive and value == high.value)):
        return False
    ratio = value.as_integer_ratio()
    for _, divisor in facts.multiple_of:
        top, bottom = divisor.as_integer_ratio()
        if (ratio[0] * bottom) % (ratio[1] * top) != 0:
            return False
    return True


def _is_string_allowed(value: str, facts: SchemaFacts) -> bool:
    if not _is_count_allowed(len(value), facts.min_length, facts.max_length):
        return False
    if not all(search_matches(pattern, node, value) for pattern, node in facts.patterns.items()):
        return False
    return all(matches(format_expression(name), value) for name in facts.formats)


def _is_count_allowed(count: int, low: int, high: int | None) -> bool:
    return low <= count and (high is None or count <= high)

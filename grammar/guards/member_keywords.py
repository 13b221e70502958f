"""Keywords that judge the members of objects and the items of arrays by other schemas."""

from collections.abc import Callable

from ..json_schema.document import Node
from ..json_text.json_value import Json
from .branch_keywords import all_hold
from .outcome import INVALID, NOTHING_SEEN, UNKNOWN, Failure, Judging, is_growing
from .schema_keyword import Applicator, count_of, named_schemas_of, schemas_of
from .text_checks import is_found


def _judge_members(pairs: list[tuple[str | int, Node, Json]], collects: bool) -> Judging:
    """Each value by its schema; what was looked at are the keys or indices."""
    is_unknown = False
    for _, node, value in pairs:
        outcome = yield node, value
        if outcome is INVALID:
            return INVALID
        is_unknown |= outcome is UNKNOWN
    if is_unknown:
        return UNKNOWN
    return frozenset(place for place, _, _ in pairs) if collects else NOTHING_SEEN


# Objects


def _properties(node: Node, collects: bool) -> Applicator:
    named = named_schemas_of(node, "properties")

    def judge(value: Json) -> Judging:
        if not isinstance(value, dict):
            return NOTHING_SEEN
        pairs: list[tuple[str | int, Node, Json]] = [
            (key, schema, value[key]) for key, schema in named.items() if key in value
        ]
        return (yield from _judge_members(pairs, collects))

    return judge


def _pattern_properties(node: Node, collects: bool) -> Applicator:
    patterns = named_schemas_of(node, "patternProperties")
    for pattern in patterns:
        is_found(pattern, "")

    def judge(value: Json) -> Judging:
        if not isinstance(value, dict):
            return NOTHING_SEEN
        pairs: list[tuple[str | int, Node, Json]] = []
        for key, item in value.items():
            for pattern, schema in patterns.items():
                is_match = is_found(pattern, key)
                if is_match is None:
                    return UNKNOWN
                if is_match:
                    pairs.append((key, schema, item))
        return (yield from _judge_members(pairs, collects))

    return judge


def _additional_properties(node: Node, collects: bool) -> Applicator:
    schema = node.value
    assert isinstance(schema, dict), node.pointer
    named = named_schemas_of(node, "properties") if "properties" in schema else {}
    patterns = list(named_schemas_of(node, "patternProperties")) if "patternProperties" in schema else []
    additional = node.child("additionalProperties")

    def judge(value: Json) -> Judging:
        if not isinstance(value, dict):
            return NOTHING_SEEN
        pairs: list[tuple[str | int, Node, Json]] = []
        for key, item in value.items():
            if key in named:
                continue
            found = {is_found(pattern, key) for pattern in patterns}
            if True not in found:
                if None in found:
                    return UNKNOWN
                pairs.append((key, additional, item))
        return (yield from _judge_members(pairs, collects))

    return judge


def _property_names(node: Node, _collects: bool) -> Applicator:
    names = node.child("propertyNames")

    def judge(value: Json) -> Judging:
        if not isinstance(value, dict):
            return NOTHING_SEEN
        return (yield from _judge_members([(key, names, key) for key in value], collects=False))

    return judge


# Arrays


def _prefix_items(node: Node, collects: bool) -> Applicator:
    return _tuple(schemas_of(node, "prefixItems"), collects)


def _tuple(prefix: list[Node], collects: bool) -> Applicator:
    def judge(value: Json) -> Judging:
        if not isinstance(value, list):
            return NOTHING_SEEN
        pairs: list[tuple[str | int, Node, Json]] = [
            (index, schema, item) for index, (schema, item) in enumerate(zip(prefix, value, strict=False))
        ]
        return (yield from _judge_members(pairs, collects))

    return judge


def _rest(rest: Node, num_prefix: int, collects: bool) -> Applicator:
    def judge(value: Json) -> Judging:
        if not isinstance(value, list):
            return NOTHING_SEEN
        pairs: list[tuple[str | int, Node, Json]] = [
            (index, rest, value[index]) for index in range(num_prefix, len(value))
        ]
        return (yield from _judge_members(pairs, collects))

    return judge


def _items(node: Node, collects: bool) -> Applicator:
    schema = node.value
    assert isinstance(schema, dict), node.pointer
    if isinstance(schema["items"], list):  # before draft 2020-12
        return _tuple(schemas_of(node, "items"), collects)
    num_prefix = len(schemas_of(node, "prefixItems")) if "prefixItems" in schema else 0
    return _rest(node.child("items"), num_prefix, collects)


def _additional_items(node: Node, collects: bool) -> Applicator:
    schema = node.value
    assert isinstance(schema, dict), node.pointer
    if not isinstance(schema.get("items"), list):  # it is only about what stands after a tuple
        return lambda value: all_hold([], value)
    return _rest(node.child("additionalItems"), len(schemas_of(node, "items")), collects)


def _contains(node: Node, collects: bool) -> Applicator:
    schema = node.value
    assert isinstance(schema, dict), node.pointer
    contained = node.child("contains")
    low = count_of(node, "minContains") if "minContains" in schema else 1
    high = count_of(node, "maxContains") if "maxContains" in schema else None
    most = schema.get("maxItems")
    max_items = most if isinstance(most, int) else None

    def judge(value: Json) -> Judging:
        if not isinstance(value, list):
            return NOTHING_SEEN
        indices: list[int] = []
        num_unknown = 0
        for index, item in enumerate(value):
            outcome = yield contained, item
            if not isinstance(outcome, Failure):
                indices.append(index)
            num_unknown += outcome is UNKNOWN
            if high is not None and len(indices) > high:
                return INVALID
        num_possible: int | None = len(indices) + num_unknown
        if is_growing(value):  # each item that is still to come may be one
            num_possible = None if max_items is None else len(indices) + num_unknown + max_items - len(value)
        if num_possible is not None and num_possible < low:
            return INVALID
        is_enough = len(indices) >= low and (high is None or (num_possible is not None and num_possible <= high))
        if not is_enough or (collects and num_unknown):
            return UNKNOWN
        return frozenset(indices) if collects else NOTHING_SEEN

    return judge


MEMBER_KEYWORDS: dict[str, Callable[[Node, bool], Applicator]] = {
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "prefixItems": _prefix_items,
    "items": _items,
    "additionalItems": _additional_items,
    "contains": _contains,
}
"""For each keyword, what makes its applicator; the second argument is whether anything asks what was looked at."""

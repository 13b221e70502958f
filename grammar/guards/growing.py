"""What keywords say of a value that may still grow: what has failed for good, what holds for good, what is open.

Most keywords of objects and arrays change their answer in one direction only as members are added.
"""

from collections.abc import Generator

from ..json_schema.document import Node, SchemaDocument
from ..json_schema.keywords import KEYWORD_TYPES
from ..json_text.json_value import Json
from .equality import type_of
from .outcome import INVALID, NOTHING_SEEN, UNKNOWN, Failure, Judging, Outcome, Seen, is_growing
from .schema_keyword import Applicator, Assertion
from .text_checks import is_found

_BROKEN_FOR_GOOD = frozenset(
    ("properties", "patternProperties", "additionalProperties", "propertyNames", "maxProperties", "items",
     "prefixItems", "additionalItems", "maxItems", "uniqueItems", "dependentSchemas", "dependencies")
)  # fmt: skip
"""Once one of these fails, it fails of whatever the value grows to; until then it is open."""
_MET_FOR_GOOD = frozenset(("required", "minProperties", "minItems"))
"""The other way round."""
_OPEN = frozenset(("dependentRequired",))
_MAX_DEEP = 40
_MAX_WAYS = 16


def truth_while_growing(keyword: str, assertion: Assertion) -> Assertion:
    """`assertion`, which says of a growing value only what holds whatever it grows to."""
    if keyword not in _BROKEN_FOR_GOOD | _MET_FOR_GOOD | _OPEN:
        return assertion

    def holds(value: Json) -> bool | None:
        truth = assertion(value)
        if not is_growing(value) or KEYWORD_TYPES[keyword] != type_of(value) or keyword in _OPEN:
            return None if keyword in _OPEN and is_growing(value) else truth
        return truth if truth is (keyword in _MET_FOR_GOOD) else None

    return holds


def judged_while_growing(keyword: str, applicator: Applicator) -> Applicator:
    """The same for a keyword that asks schemas below."""
    if keyword not in _BROKEN_FOR_GOOD:
        return applicator

    def judge(value: Json) -> Judging:
        outcome = yield from applicator(value)
        if is_growing(value) and KEYWORD_TYPES[keyword] == type_of(value) and outcome is not INVALID:
            return UNKNOWN
        return outcome

    return judge


def may_be_seen(
    document: SchemaDocument, node: Node, value: Json, depth: int = 0
) -> Generator[tuple[Node, Json], Outcome, list[Seen]]:
    """What the schema at `node` may come to look at of `value`, its own `unevaluated*` aside: the keys or indices.

    One set for each way that its conditions may turn out, as far as they are few: it looks at no more than one of them.
    """
    schema = node.value
    places = _places(value)
    if not isinstance(schema, dict) or not places:
        return [NOTHING_SEEN]
    if depth > _MAX_DEEP:
        return [places]
    ways: list[Seen] = [NOTHING_SEEN]
    for keyword, held in schema.items():
        if keyword in _LOOK_AT_ALL or (depth and keyword in ("unevaluatedProperties", "unevaluatedItems")):
            if KEYWORD_TYPES[keyword] == type_of(value):
                return [places]
            continue
        found = [_named(keyword, held, places)]
        if keyword == "if":
            found = yield from _ways_of_condition(document, node, schema, value, depth)
        branches = _branches(document, node, keyword, held)
        each_way: list[Seen] = []
        for branch in branches:
            outcome = yield branch, value
            if outcome is not INVALID:
                inner = yield from may_be_seen(document, branch, value, depth + 1)
                if keyword == "oneOf":
                    each_way += inner
                else:
                    found = _together(found, inner)
        ways = _together(ways, _together(found, each_way or [NOTHING_SEEN]))
    return ways


def _places(value: Json) -> Seen:
    if isinstance(value, list):
        return frozenset(range(len(value)))
    return frozenset(value if isinstance(value, dict) else ())


def _named(keyword: str, held: Json, places: Seen) -> Seen:
    """The places that a keyword names."""
    if keyword == "properties" and isinstance(held, dict):
        return frozenset(places & held.keys())
    if keyword == "patternProperties" and isinstance(held, dict):
        return frozenset(key for key in places if any(is_found(each, str(key)) is not False for each in held))
    if keyword == "prefixItems" and isinstance(held, list):
        return places & frozenset(range(len(held)))
    return NOTHING_SEEN


def _ways_of_condition(
    document: SchemaDocument, node: Node, schema: dict[str, Json], value: Json, depth: int
) -> Generator[tuple[Node, Json], Outcome, list[Seen]]:
    outcome = yield node.child("if"), value
    ways: list[Seen] = []
    if outcome is not INVALID:
        ways = yield from may_be_seen(document, node.child("if"), value, depth + 1)
        if "then" in schema:
            ways = _together(ways, (yield from may_be_seen(document, node.child("then"), value, depth + 1)))
    if isinstance(outcome, Failure):
        otherwise = [NOTHING_SEEN]
        if "else" in schema:
            otherwise = yield from may_be_seen(document, node.child("else"), value, depth + 1)
        ways = ways + otherwise
    return ways


def _together(first: list[Seen], second: list[Seen]) -> list[Seen]:
    """Each way of one with each of the other; one way for all where they are many."""
    ways = list(dict.fromkeys(one | other for one in first for other in second))
    return ways if len(ways) <= _MAX_WAYS else [frozenset().union(*ways)]


_LOOK_AT_ALL = frozenset(("additionalProperties", "items", "additionalItems", "contains"))


def _branches(document: SchemaDocument, node: Node, keyword: str, held: Json) -> list[Node]:
    """The schemas that `keyword` applies to the value itself, conditions aside."""
    if keyword in ("allOf", "anyOf", "oneOf") and isinstance(held, list):
        return [node.child(keyword, index) for index in range(len(held))]
    if keyword in ("dependentSchemas", "dependencies") and isinstance(held, dict):
        return [node.child(keyword, name) for name, below in held.items() if not isinstance(below, list)]
    return [document.resolve(node, keyword)] if keyword in ("$ref", "$dynamicRef") else []

"""What keywords say of a value that may still grow: what has failed for good, what holds for good, what is open.

Most keywords of objects and arrays change their answer in one direction only as members are added.
"""

from collections.abc import Generator

from ..json_schema.document import Node, SchemaDocument
from ..json_schema.keywords import KEYWORD_TYPES
from ..json_text.json_value import Json
from .equality import type_of
from .outcome import INVALID, UNKNOWN, Failure, Judging, Outcome, is_growing
from .schema_keyword import Applicator, Assertion
from .text_checks import is_found

_BROKEN_FOR_GOOD = frozenset(
    ("properties", "patternProperties", "additionalProperties", "propertyNames", "maxProperties", "items",
     "prefixItems", "additionalItems", "maxItems", "uniqueItems")
)  # fmt: skip
"""Once one of these fails, it fails of whatever the value grows to; until then it is open."""
_MET_FOR_GOOD = frozenset(("required", "minProperties", "minItems"))
"""The other way round."""
_OPEN = frozenset(("dependentRequired",))
_MAX_DEEP = 40


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
) -> Generator[tuple[Node, Json], Outcome, frozenset[str | int]]:
    """The keys or indices of `value` that the schema at `node` may come to look at, its own `unevaluated*` aside."""
    schema = node.value
    places: frozenset[str | int] = frozenset(value if isinstance(value, dict) else ())
    if isinstance(value, list):
        places = frozenset(range(len(value)))
    if not isinstance(schema, dict) or not places:
        return frozenset()
    if depth > _MAX_DEEP:
        return places
    seen: set[str | int] = set()
    for keyword, held in schema.items():
        if keyword == "properties" and isinstance(held, dict):
            seen |= places & held.keys()
        elif keyword == "patternProperties" and isinstance(held, dict):
            seen |= {key for key in places if any(is_found(each, str(key)) is not False for each in held)}
        elif keyword == "prefixItems" and isinstance(held, list):
            seen |= places & frozenset(range(len(held)))
        elif keyword in _LOOK_AT_ALL or (depth and keyword in ("unevaluatedProperties", "unevaluatedItems")):
            if KEYWORD_TYPES[keyword] == type_of(value):
                return places
        else:
            for branch in _branches(document, node, keyword, held):
                outcome = yield branch, value
                if outcome is not INVALID:
                    seen |= yield from may_be_seen(document, branch, value, depth + 1)
    if "if" in schema:
        outcome = yield node.child("if"), value
        if outcome is not INVALID and "then" in schema:
            seen |= yield from may_be_seen(document, node.child("then"), value, depth + 1)
        if isinstance(outcome, Failure) and "else" in schema:
            seen |= yield from may_be_seen(document, node.child("else"), value, depth + 1)
    return frozenset(seen)


_LOOK_AT_ALL = frozenset(("additionalProperties", "items", "additionalItems", "contains"))


def _branches(document: SchemaDocument, node: Node, keyword: str, held: Json) -> list[Node]:
    """The schemas that `keyword` applies to the value itself."""
    if keyword in ("allOf", "anyOf", "oneOf") and isinstance(held, list):
        return [node.child(keyword, index) for index in range(len(held))]
    if keyword in ("dependentSchemas", "dependencies") and isinstance(held, dict):
        return [node.child(keyword, name) for name in held]
    if keyword in ("$ref", "$dynamicRef"):
        return [document.resolve(node, keyword)]
    return [node.child("if")] if keyword == "if" else []

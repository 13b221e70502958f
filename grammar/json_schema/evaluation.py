"""Evaluated members: which properties and items the keywords beside `unevaluated...` may have looked at."""

from dataclasses import dataclass, field

from ..json_text.json_value import Json
from .document import Node, SchemaDocument

_CONDITIONAL_LISTS = ("anyOf", "oneOf")
_CONDITIONAL = ("if", "then", "else")


@dataclass(slots=True)
class Evaluated:
    """What may be looked at; exact where nothing depends on the value."""

    names: dict[str, None] = field(default_factory=dict)
    patterns: dict[str, None] = field(default_factory=dict)
    has_all_names: bool = False
    num_items: int = 0
    has_all_items: bool = False
    is_exact: bool = True


def evaluated_beside(document: SchemaDocument, node: Node) -> Evaluated:
    """What the schema object at `node` looks at, but for its own `unevaluated...`. Linear in the schemas in place."""
    found = Evaluated()
    seen: set[Node] = set()
    pending = [node]
    while pending:
        place = pending.pop()
        schema = place.value
        if place in seen or not isinstance(schema, dict):
            continue
        seen.add(place)
        if document.is_ref_alone and "$ref" in schema:
            pending.append(document.resolve(place))
            continue
        _add_own(found, schema, is_first=place is node)
        pending.extend(document.resolve(place, keyword) for keyword in ("$ref", "$dynamicRef") if keyword in schema)
        pending.extend(_in_place(found, place, schema))
    return found


def _add_own(found: Evaluated, schema: dict[str, Json], *, is_first: bool) -> None:
    properties, patterns = schema.get("properties"), schema.get("patternProperties")
    found.names.update(dict.fromkeys(properties if isinstance(properties, dict) else ()))
    found.patterns.update(dict.fromkeys(patterns if isinstance(patterns, dict) else ()))
    found.has_all_names |= "additionalProperties" in schema or ("unevaluatedProperties" in schema and not is_first)
    prefix, items = schema.get("prefixItems"), schema.get("items")
    for each in (prefix, items):
        found.num_items = max(found.num_items, len(each) if isinstance(each, list) else 0)
    found.has_all_items |= isinstance(items, dict | bool) or "additionalItems" in schema
    found.has_all_items |= "unevaluatedItems" in schema and not is_first
    if "contains" in schema:
        found.is_exact = False  # it looks at the items that match


def _in_place(found: Evaluated, place: Node, schema: dict[str, Json]) -> list[Node]:
    inner: list[Node] = []
    for keyword in ("allOf", *_CONDITIONAL_LISTS):
        branches = schema.get(keyword)
        if isinstance(branches, list):
            held = place.child(keyword)
            inner += [held.child(index) for index in range(len(branches))]
            found.is_exact &= keyword == "allOf" or len(branches) == 1
    for keyword in _CONDITIONAL:
        if keyword in schema:
            inner.append(place.child(keyword))
            found.is_exact = False
    for keyword in ("dependentSchemas", "dependencies"):
        dependent = schema.get(keyword)
        if isinstance(dependent, dict):
            held = place.child(keyword)
            inner += [held.child(name) for name in dependent]
            found.is_exact = False
    return inner

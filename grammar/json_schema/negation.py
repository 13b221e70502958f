"""Negation: what `not` takes away where that can be said in facts; a check where it cannot."""

from ..guards.guard_plan import Check
from ..json_text.json_value import Json
from ..json_text.strings import MAX_EXCLUDED_LEN
from .document import Node
from .facts import ALL_TYPES, ObjectPart, SchemaFacts, expanded_types, type_of
from .keywords import ANNOTATIONS
from .synthetic import synthetic


def read_negation(facts: SchemaFacts, node: Node) -> None:
    """Narrow `facts` by the `not` of the schema object at `node`.

    Types and listed values are taken away, and a property that must not be there is one that no value fits; a `not`
    of anything else is checked by a guard.
    """
    inner = node.child("not").value
    keys = {key for key in inner if key not in ANNOTATIONS} if isinstance(inner, dict) else set()
    if not isinstance(inner, dict) or not keys:
        facts.is_false |= inner is not False
        return
    stated = inner.get("type")
    names = set(map(str, stated if isinstance(stated, list) else [stated]))
    if keys == {"type"} and names <= ALL_TYPES:
        _take_types(facts, node, names)
    elif keys <= {"type", "required"} and stated in (None, "object"):
        if stated is None:
            facts.types &= {"object"}  # anything else meets `required`
        _take_members(facts, node, inner["required"])
    elif keys == {"const"}:
        facts.excluded[Check(node, "not")] = [inner["const"]]
    elif keys == {"enum"} and isinstance(inner["enum"], list):
        facts.excluded[Check(node, "not")] = inner["enum"]
    else:
        facts.checks[Check(node, "not")] = None


def is_sayable(values: list[Json], types: frozenset[str]) -> bool:
    """Whether rules for `types` can leave the values out: strings and whole numbers, not decimals nor containers."""
    if sum(len(value) for value in values if isinstance(value, str)) > MAX_EXCLUDED_LEN:
        return False
    hard = {"array", "object", "number"}
    return not any(
        type_of(value) in types & hard or (type_of(value) == "integer" and "number" in types) for value in values
    )


def _take_types(facts: SchemaFacts, node: Node, names: set[str]) -> None:
    has_numbers = "number" in facts.types
    facts.types -= expanded_types(names)
    if has_numbers and "integer" in names and "number" not in names:
        facts.types |= {"integer"}  # a number that is not whole is a number still
        facts.checks[Check(node, "not")] = None


def _take_members(facts: SchemaFacts, node: Node, required: Json) -> None:
    if isinstance(required, list) and len(required) == 1 and isinstance(required[0], str):
        name = required[0]
        absent = synthetic(node, f"absent:{name}", False)
        facts.objects.append(ObjectPart(node, {name: absent}, {}, None, None, is_declaring=False))
    else:
        facts.checks[Check(node, "not")] = None

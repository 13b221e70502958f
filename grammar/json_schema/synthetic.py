"""Schemas that stand nowhere in the text: what a condition comes to when it is written as cases."""

from collections.abc import Sequence

from ..json_text.json_value import Json
from .keywords import ANNOTATIONS
from .node import Node

_MARK = "/~2"
"""No JSON pointer holds this escape, so synthetic places collide with no real ones."""


def synthetic(node: Node, name: str, value: Json) -> Node:
    """A schema that `node` implies, under a pointer of its own."""
    return Node(f"{node.pointer}{_MARK}{name}", value, node.scope)


def is_synthetic(node: Node) -> bool:
    """Whether no author wrote this schema."""
    return _MARK in node.pointer


def without_member(node: Node, name: str) -> Node:
    """The schema of what is no object with the member `name`."""
    return synthetic(node, f"without:{name}", {"properties": {name: False}})


def with_members(node: Node, names: Sequence[str]) -> Node:
    """The schema of what has all members `names`, if it is an object."""
    return synthetic(node, f"with:{','.join(map(repr, names))}", {"required": list(names)})


def negated(node: Node) -> list[Node] | None:
    """Schemas of which one holds exactly where the schema at `node` does not; None where that takes a guard."""
    schema = node.value
    if isinstance(schema, bool):
        return [] if schema else [synthetic(node, "not", {})]
    if not isinstance(schema, dict):
        return None
    keys = {keyword for keyword in schema if keyword not in ANNOTATIONS}
    if not keys:
        return []
    if len(keys) == 1 and keys <= {"type", "const", "enum"}:
        return [synthetic(node, "not", {"not": schema})]
    if keys == {"not"}:
        return [node.child("not")]
    if keys <= {"type", "required", "properties"} and schema.get("type", "object") == "object":
        return _negated_object(node, schema)
    return None


def _negated_object(node: Node, schema: dict[str, Json]) -> list[Node] | None:
    required, properties = schema.get("required", []), schema.get("properties", {})
    if not isinstance(required, list) or not isinstance(properties, dict):
        return None
    cases: list[Json] = [{"not": {"type": "object"}}] if "type" in schema else []
    for name in required:
        if not isinstance(name, str):
            return None
        if name not in properties:
            cases.append({"type": "object", "properties": {name: False}})
    for name, inner in properties.items():
        if inner is not True and inner != {}:
            case: dict[str, Json] = {"type": "object", "properties": {name: {"not": inner}}}
            cases.append(case if name in required else {**case, "required": [name]})
        elif name in required:
            cases.append({"type": "object", "properties": {name: False}})
    return [synthetic(node, f"not:{index}", case) for index, case in enumerate(cases)]


def written_pointer(pointer: str) -> str:
    """The place in the author's text that a synthetic place was made for; others as they are."""
    return pointer.partition(_MARK)[0]

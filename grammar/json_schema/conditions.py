"""Conditions as cases: if/then/else, dependent keywords and anyOf written as groups a grammar can branch over."""

from ..errors import InvalidSchema
from ..json_text.json_value import Json
from .document import Node
from .facts import Group
from .synthetic import negated, with_members, without_member

_DEPENDENT_KEYWORDS = ("dependentRequired", "dependentSchemas", "dependencies")


def groups_of(node: Node, schema: dict[str, Json]) -> list[Group]:
    """The groups of one schema object: anyOf and oneOf as they stand, conditions as their cases."""
    groups = [
        Group(node, keyword, tuple((branch,) for branch in node_list(node, keyword)), keyword == "oneOf")
        for keyword in ("anyOf", "oneOf")
        if keyword in schema
    ]
    if "if" in schema and ("then" in schema or "else" in schema):
        groups.append(_if_group(node, schema))
    for keyword in _DEPENDENT_KEYWORDS:
        if keyword in schema:
            groups += _dependent_groups(node, keyword, schema[keyword])
    return groups


def node_list(node: Node, keyword: str) -> list[Node]:
    """The schemas of a keyword that holds a list of them."""
    value = node.child(keyword).value
    if not isinstance(value, list) or (not value and keyword != "prefixItems"):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a list of schemas", value)
    held = node.child(keyword)
    return [held.child(index) for index in range(len(value))]


def _if_group(node: Node, schema: dict[str, Json]) -> Group:
    condition = node.child("if")
    then = (node.child("then"),) if "then" in schema else ()
    otherwise = (node.child("else"),) if "else" in schema else ()
    opposite = negated(condition)
    branches = [(condition, *then)]
    branches += [otherwise] if opposite is None else [(case, *otherwise) for case in opposite]
    return Group(node, "if", tuple(branches), is_loose=opposite is None)


def _dependent_groups(node: Node, keyword: str, value: Json) -> list[Group]:
    if not isinstance(value, dict):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "an object", value)
    groups = []
    for name, then in value.items():
        if isinstance(then, list):
            names = [each for each in then if isinstance(each, str)]
            if len(names) < len(then) or keyword == "dependentSchemas":
                raise InvalidSchema(f"{node.pointer}/{keyword}", "lists of property names, or schemas", then)
            if not names:
                continue
            case: tuple[Node, ...] = (with_members(node, [name, *names]),)
        else:
            case = (with_members(node, [name]), node.child(keyword, name))
        groups.append(Group(node, keyword, ((without_member(node, name),), case)))
    return groups

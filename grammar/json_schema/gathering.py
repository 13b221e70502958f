"""Gathering: from the nodes that must hold at once, through references and allOf, to their facts."""

from ..errors import ConstraintTooLarge, InvalidSchema, UnsupportedSchema
from ..json_text.json_value import Json
from .conditions import groups_of, node_list
from .document import Node, SchemaDocument
from .facts import Conjunct, SchemaFacts, expanded_types
from .keyword_reader import KeywordReader
from .keywords import KEYWORD_TYPES
from .synthetic import is_synthetic

MAX_CONJUNCTS = 500
_STATING = frozenset(("type", "enum", "const"))
_OWN = frozenset((*KEYWORD_TYPES, *_STATING, "not"))


def gather_facts(document: SchemaDocument, conjuncts: tuple[Conjunct, ...], pointer: str) -> SchemaFacts:
    """Follow references and allOf, and merge what every node met says.

    Raises `InvalidSchema`, `UnsupportedSchema` or `ConstraintTooLarge`. Linear in the nodes met.
    """
    facts = SchemaFacts(pointer)
    seen: set[Conjunct] = set()
    has_stated_types = False
    mentioned: set[str] = set()
    pending: list[tuple[Conjunct, tuple[Node, ...]]] = [(conjunct, ()) for conjunct in reversed(conjuncts)]
    while pending:
        conjunct, path = pending.pop()
        node = conjunct.node
        if node in path:
            raise UnsupportedSchema(node.pointer, "$ref", "the schema refers to itself without consuming anything")
        if conjunct in seen:
            continue
        seen.add(conjunct)
        if len(seen) > MAX_CONJUNCTS:
            raise ConstraintTooLarge("schemas that hold at once", MAX_CONJUNCTS, f"more, at #{pointer}")
        schema = node.value
        if schema is True or schema is False:
            facts.is_false |= schema is False
            continue
        if not isinstance(schema, dict):
            raise InvalidSchema(node.pointer, "a schema: an object, true or false", schema)
        if not conjunct.is_bare:
            inner = (*path, node)
            pending.extend((Conjunct(child), inner) for child in reversed(_followed(document, node, schema)))
            if document.is_ref_alone and "$ref" in schema:
                continue
            facts.groups += groups_of(node, schema)
        keys = schema.keys()
        if _OWN.isdisjoint(keys):
            continue
        facts.own.append(node)
        if not _STATING.isdisjoint(keys):
            has_stated_types = True
        elif not is_synthetic(node):
            mentioned.update(KEYWORD_TYPES[keyword] for keyword in schema if keyword in KEYWORD_TYPES)
        KeywordReader(document, facts, node, schema).read()
    if not has_stated_types:
        facts.mentioned_types = expanded_types(mentioned)
    return facts


def _followed(document: SchemaDocument, node: Node, schema: dict[str, Json]) -> list[Node]:
    followed = [document.resolve(node, keyword) for keyword in ("$ref", "$dynamicRef") if keyword in schema]
    if "allOf" in schema and not (document.is_ref_alone and "$ref" in schema):
        followed += node_list(node, "allOf")
    return followed

"""References: by pointer, anchor, relative identifier, URN, and dynamically."""

import json
from collections.abc import Callable

import pytest

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import UnsupportedSchema
from palmette.grammar.json_schema.document import SchemaDocument
from palmette.grammar.json_schema.schema_compiler import compile_schema
from palmette.grammar.spec import JsonSchema

_TREE = {
    "$id": "https://a.b/tree",
    "$dynamicAnchor": "node",
    "type": "object",
    "properties": {"data": True, "children": {"type": "array", "items": {"$dynamicRef": "#node"}}},
}


@pytest.mark.parametrize(
    ("schema", "accepted", "refused"),
    [
        ({"$defs": {"a": {"$anchor": "x", "type": "null"}}, "$ref": "#x"}, ["null"], ["1"]),
        ({"$id": "https://a.b/root", "$defs": {"a": {"$id": "inner", "type": "null"}}, "$ref": "inner"},
         ["null"], ["1"]),
        ({"$id": "https://a.b/root", "$defs": {"a": {"type": "null"}}, "$ref": "root#/$defs/a"}, ["null"], ["1"]),
        ({"$id": "urn:x:y", "$defs": {"a": {"type": "null"}}, "$ref": "urn:x:y#/$defs/a"}, ["null"], ["1"]),
        ({"$id": "https://a.b/dir/", "$ref": "x#/$defs/y",
          "$defs": {"a": {"$id": "/dir/x", "$defs": {"y": {"type": "null"}}}}}, ["null"], ["1"]),
        ({"$defs": {"a/b": {"x%y": {"type": "null"}}}, "$ref": "#/$defs/a~1b/x%25y"}, ["null"], ["1"]),
        ({"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": {"type": "integer"}}}, ["3"], ["2"]),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "integer"}},
          "properties": {"p": {"$ref": "#/definitions/a", "minimum": 3}}, "type": "object"},
           ['{"p":2}'], ['{"p":"x"}']),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"$id": "#x", "type": "null"}},
          "allOf": [{"$ref": "#x"}]}, ["null"], ["1"]),
        ({"$defs": {"a": {"enum": [{"$id": "https://c.d", "$anchor": "x"}]}, "b": {"$anchor": "x", "type": "null"}},
         "$ref": "#x"},
         ["null"], ["1"]),
        (_TREE, ['{"children":[{"data":1}]}'], ['{"children":[1]}', '{"daat":1}']),
    ],
)  # fmt: skip
def test_references(
    schema_of: Callable[..., JsonSchema], schema: object, accepted: list[str], refused: list[str]
) -> None:
    for text in accepted:
        assert accepts(schema_of(schema), text), text
    for text in refused:
        assert not accepts(schema_of(schema), text), text


def test_a_dynamic_reference_leads_to_the_outermost_anchor(schema_of: Callable[..., JsonSchema]) -> None:
    strict = {"$id": "https://a.b/strict", "$dynamicAnchor": "node", "$ref": "tree", "required": ["data"]}
    inner = schema_of({**strict, "$defs": {"tree": _TREE}})
    assert accepts(inner, '{"data":1,"children":[{"data":2}]}')
    assert not accepts(inner, '{"data":1,"children":[{}]}')
    assert not accepts(inner, '{"data":1,"children":[{"data":1,"children":[{}]}]}')
    outer = schema_of({"$id": "https://a.b/outer", "$ref": "tree", "$defs": {"tree": _TREE, "strict": strict}})
    assert accepts(outer, '{"data":1,"children":[{}]}')


def test_scopes_stay_finite() -> None:
    one = {"$id": "a", "$dynamicAnchor": "x", "$ref": "b"}
    other = {"$id": "b", "$dynamicAnchor": "x", "items": {"$ref": "a"}}
    text = json.dumps({"$id": "https://a.b/", "$dynamicAnchor": "x", "$defs": {"a": one, "b": other}, "$ref": "a"})
    document = SchemaDocument(text)
    node, scopes = document.root, set()
    for _ in range(10):
        node = document.resolve(node)
        node = node.child("items") if isinstance(node.value, dict) and "items" in node.value else node
        scopes.add(node.scope)
    assert len(scopes) <= 4


def test_nothing_is_fetched(schema_of: Callable[..., JsonSchema]) -> None:
    with pytest.raises(UnsupportedSchema, match="nothing is fetched"):
        compile_schema(schema_of({"items": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}))

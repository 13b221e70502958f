"""SchemaResources: what the identifiers in a schema name: `$id`, `$anchor`, `$dynamicAnchor`, and draft 4's `id`."""

from collections.abc import Iterator
from urllib.parse import urljoin

from .keywords import LIST_APPLICATORS, MAP_APPLICATORS, SCHEMA_APPLICATORS
from .node import Node


class SchemaResources:
    """The resources of one document: parts with an identifier of their own, relative to which references inside count.

        {"$id": "https://a.b/root",                       resource ""
         "$defs": {"x": {"$id": "x", "$anchor": "y"}}}    resource "/$defs/x", https://a.b/x; anchor y in it

    Only places that hold schemas are looked at: an `$id` inside an enum names nothing. Linear in the schema.
    """

    def __init__(self, root: Node, *, is_ref_alone: bool) -> None:
        self._is_ref_alone = is_ref_alone
        self._base_uris: dict[str, str] = {"": ""}  # by the resource's pointer
        self._nodes: dict[str, Node] = {"": root}
        self._by_uri: dict[str, Node] = {}
        self._anchors: dict[tuple[str, str], Node] = {}  # by the resource's pointer and the name
        self._dynamic: dict[str, dict[str, Node]] = {}  # by name, then by the resource's pointer
        pending: list[tuple[Node, str]] = [(root, "")]
        while pending:
            node, resource = pending.pop()
            resource = self._enter(node, resource)
            pending.extend((child, resource) for child in subschemas(node))
        self._by_uri.setdefault(self._base_uris[""], root)
        self.has_dynamic_scopes = any(len(places) > 1 for places in self._dynamic.values())
        """Whether some `$dynamicRef` may mean several places."""

    def _enter(self, node: Node, resource: str) -> str:
        """Note what `node` is called; returns the resource it belongs to."""
        schema = node.value
        if not isinstance(schema, dict) or (self._is_ref_alone and "$ref" in schema):
            return resource
        for keyword in ("$id", "id"):
            name = schema.get(keyword)
            if not isinstance(name, str):
                continue
            base, _, fragment = name.partition("#")
            if base:
                base = joined(self._base_uris[resource], base)
                resource = node.pointer
                self._base_uris[resource] = base
                self._nodes[resource] = node
                self._by_uri.setdefault(base, node)
            if fragment and not fragment.startswith("/"):  # what drafts 4 to 7 had for $anchor
                self._anchors.setdefault((resource, fragment), node)
        for keyword in ("$anchor", "$dynamicAnchor"):
            name = schema.get(keyword)
            if isinstance(name, str):
                self._anchors.setdefault((resource, name), node)
                if keyword == "$dynamicAnchor":
                    self._dynamic.setdefault(name, {}).setdefault(resource, node)
        return resource

    def of(self, pointer: str) -> str:
        """The pointer of the resource that the place belongs to."""
        return list(self._enclosing(pointer))[-1] if len(self._nodes) > 1 else ""

    def find(self, pointer: str, base: str) -> Node | None:
        """The root of the resource that the reference `base`, without a fragment, means at the place `pointer`."""
        resource = self.of(pointer)
        return self._by_uri.get(joined(self._base_uris[resource], base)) if base else self._nodes[resource]

    def anchor(self, resource: str, name: str) -> Node | None:
        """The place an anchor of a resource names."""
        return self._anchors.get((resource, name))

    def dynamic_target(self, node: Node, resource: str, name: str) -> Node | None:
        """Where a `$dynamicRef` at `node` leads whose anchor was found in `resource`; None: it is a plain anchor."""
        places = self._dynamic.get(name, {})
        if resource not in places:
            return None
        return next(places[outer] for outer in [*self.scope_of(node), resource] if outer in places)

    def scope_of(self, node: Node) -> tuple[str, ...]:
        """The resources passed on the way to `node`, outermost first: those of references, then those around it."""
        entered = node.scope or ("",)
        inner = [each for each in self._enclosing(node.pointer) if each.startswith(entered[-1] + "/")]
        return tuple(dict.fromkeys((*entered, *inner)))

    def scope_through(self, source: Node, target: Node) -> tuple[str, ...]:
        """The scope of `target` when a reference at `source` leads there."""
        if not self.has_dynamic_scopes:
            return ()
        scope, resource = self.scope_of(source), self.of(target.pointer)
        return scope if scope[-1] == resource else (*scope, resource)

    def _enclosing(self, pointer: str) -> Iterator[str]:
        yield ""
        end = pointer.find("/", 1)
        while pointer:
            prefix = pointer if end < 0 else pointer[:end]
            if prefix in self._nodes:
                yield prefix
            if end < 0:
                return
            end = pointer.find("/", end + 1)


def subschemas(node: Node) -> Iterator[Node]:
    """The schemas right inside a schema, in whatever keyword, $defs included."""
    schema = node.value
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        if keyword in MAP_APPLICATORS and isinstance(value, dict):
            held = node.child(keyword)
            yield from (held.child(name) for name, inner in value.items() if isinstance(inner, dict | bool))
        elif keyword in LIST_APPLICATORS and isinstance(value, list):
            held = node.child(keyword)
            yield from (held.child(index) for index in range(len(value)))
        elif keyword in SCHEMA_APPLICATORS and isinstance(value, dict | bool):
            yield node.child(keyword)


def joined(base: str, reference: str) -> str:
    """`reference`, without a fragment, read relative to `base`; names such as URNs are not relative to anything."""
    if ":" in reference.split("/", 1)[0] or not base or base.startswith("urn:"):
        return reference
    return urljoin(base, reference)

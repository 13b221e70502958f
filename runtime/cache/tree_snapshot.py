"""TreeSnapshot: the radix tree as plain data, for whoever wants to look at it."""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from .node import Node


class NodeSnapshot(msgspec.Struct, frozen=True):
    """One node; a root stands for a namespace and has no tokens."""

    node_id: int
    """Its place among `TreeSnapshot.nodes`; parents come before their children."""
    parent_id: int | None
    start: int
    """Tokens of the text before the node."""
    num_tokens: int
    num_pages: int
    first_token_ids: tuple[int, ...]
    """How it begins; `TreeSnapshot.num_preview_tokens` of them at most."""
    lock_count: int
    """Branches that hold it, or what is below it."""
    num_uses: int
    """Matches taken of it, or of what is below it."""
    last_use: int | None
    """Its place among the nodes shown that nobody holds: 0 is the one that would be given up first, the longest unused
    under `lru`. None: it is held, or a root."""
    num_hidden_children: int = 0
    """Children that were left out."""
    holder_ids: tuple[int, ...] = ()
    """Branches whose text reaches to the end of this node: with all below it, `lock_count` of them."""
    text: str | None = None
    """What `first_token_ids` spell; None: nobody has spelt them yet, which the tree cannot."""


class TreeSnapshot(msgspec.Struct, frozen=True):
    """The tree at one moment; level by level, the newest first where not all are shown."""

    nodes: tuple[NodeSnapshot, ...]
    num_cached_tokens: int
    """Of the whole tree."""
    num_pages: int
    """Of the pool."""
    num_free_pages: int
    num_preview_tokens: int


def snapshot_nodes(
    roots: Iterable[Node],
    eviction_order: Iterable[Node],
    holders: Iterable[tuple[int, Node]],
    *,
    max_nodes: int,
    num_preview_tokens: int,
) -> tuple[NodeSnapshot, ...]:
    """At most `max_nodes` nodes, level by level. Changes nothing. O(nodes shown, holders, unlocked nodes).

    roots: of all namespaces; their names, which may be secrets, are not shown. eviction_order: the unlocked nodes, the
    first to go first. holders: (branch id, the deepest node it has locked).
    """
    shown, parents, num_shown_children = _walk(roots, max_nodes)
    held: dict[Node, list[int]] = {}
    for branch_id, node in holders:
        held.setdefault(node, []).append(branch_id)
    is_shown = set(shown)
    places = {node: place for place, node in enumerate(node for node in eviction_order if node in is_shown)}
    return tuple(
        NodeSnapshot(
            node_id=node_id,
            parent_id=parents[node_id],
            start=node.start,
            num_tokens=len(node.segment),
            num_pages=len(node.pages),
            first_token_ids=_head(node.segment, num_preview_tokens),
            lock_count=node.lock_count,
            num_uses=node.num_uses,
            last_use=places.get(node),
            num_hidden_children=len(node.children) - num_shown_children[node_id],
            holder_ids=tuple(held.get(node, ())),
        )
        for node_id, node in enumerate(shown)
    )


def _walk(roots: Iterable[Node], max_nodes: int) -> tuple[list[Node], list[int | None], list[int]]:
    """The nodes to show, the place of each one's parent, and how many children of each are shown."""
    shown: list[Node] = []
    parents: list[int | None] = []
    num_shown_children: list[int] = []
    level: deque[tuple[Node, int | None]] = deque()
    for root in roots:
        level.append((root, None))
        if len(level) == max_nodes:
            break
    while level:
        node, parent_id = level.popleft()
        node_id = len(shown)
        shown.append(node)
        parents.append(parent_id)
        num_shown_children.append(0)
        for child in _newest_first(node):
            if len(shown) + len(level) >= max_nodes:
                break
            level.append((child, node_id))
            num_shown_children[node_id] += 1
    return shown, parents, num_shown_children


def _newest_first(node: Node) -> Iterator[Node]:
    return reversed(node.children.values())


def _head(segment: "array[int]", num_tokens: int) -> tuple[int, ...]:
    return tuple(segment[:num_tokens])

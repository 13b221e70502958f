"""SegmentFeed: puts what the radix tree gains into the store of segments, once."""

from collections.abc import Sequence

from ..cache.node import Node
from .segment_store import RUN_LENS, SegmentStore


class SegmentFeed:
    """A `TreeListener`. What the tree gives up later stays in the store: token ids are small, cells are not."""

    def __init__(self, store: SegmentStore) -> None:
        self._store = store

    def on_insert(self, node: Node, start: int) -> None:
        """See `TreeListener`."""
        self._store.add(node.namespace, _before(node, start), node.segment[start - node.start :])

    def on_split(self, upper: Node, lower: Node) -> None:
        """See `TreeListener`: no text came or went."""

    def on_evict(self, node: Node, parent: Node) -> None:
        """See `TreeListener`: it stays known."""


def _before(node: Node, start: int) -> Sequence[int]:
    """The last tokens of the text before `start`, which is in `node`."""
    tokens = list(node.segment[: start - node.start])
    above = node.parent
    while len(tokens) < RUN_LENS[0] and above is not None and not above.is_root:
        tokens = [*above.segment, *tokens]
        above = above.parent
    return tokens[max(0, len(tokens) - RUN_LENS[0]) :]

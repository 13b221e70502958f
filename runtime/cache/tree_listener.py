"""TreeListener: who is told how the radix tree changes, node by node."""

from typing import Protocol

from .node import Node


class TreeListener(Protocol):
    """Hears of every change of the tree, after it happened and before the cache is asked anything else.

    Enough to keep, for each waiting text, the node where its match ends, without matching again: an insertion can
    only lengthen matches that ended in `node.parent` (or in `node`, where it grew), an eviction only shorten those
    that ended in `node`. Matches of nothing belong to a namespace, not to its root: an empty root is dropped, and
    another made when text comes again. A listener must not change the tree or the pool.
    """

    def on_insert(self, node: Node, start: int) -> None:
        """Tokens [start, node.depth) are cached now.

        The node is new where `start` is `node.start`; else it ended at `start` before, and grew.
        """

    def on_split(self, upper: Node, lower: Node) -> None:
        """`lower` was cut in two: its beginning is the new node `upper`, its parent now. No text came or went."""

    def on_evict(self, node: Node, parent: Node) -> None:
        """The end of `node` was given up: it ends at `node.depth` now, or it has left the tree (`is_evicted`).

        `parent` is the node above. Of a node that has left, `segment` and `depth` are what it had last.
        """

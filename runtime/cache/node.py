"""Node: an edge of the radix tree, with what lies under it."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Node:
    """An edge of the tree with what lies under it: tokens [start, depth) of a text, and the pages that cover them.

    Only the cache changes a node. Others may read `segment` and `children`, to see how a text went on before.
    """

    segment: "array[int]"  # int32 token ids, empty for a root
    depth: int  # tokens of the text up to the end of the segment
    pages: list[int]  # pages start // page_size .. (depth - 1) // page_size
    parent: "Node | None"
    namespace: str
    children: "dict[int, Node]" = field(default_factory=dict)  # by the first token of their segment
    lock_count: int = 0  # locks on this node and on all below
    num_uses: int = 0  # matches taken of this node or of what is below, at least those of any child
    priority: int = 0  # the highest of the texts that were inserted through this node, at least that of any child
    queue_rank: int | None = None  # in the eviction queue; None: not in it
    is_evicted: bool = False

    @property
    def start(self) -> int:
        """Tokens of the text before the segment."""
        return self.depth - len(self.segment)

    @property
    def is_root(self) -> bool:
        """Whether the node is the root of its namespace."""
        return self.depth == 0

    def path(self) -> "Iterator[Node]":
        """The node and all above it, up to the root."""
        current: Node | None = self
        while current is not None:
            yield current
            current = current.parent

    def subtree(self) -> "Iterator[Node]":
        """The node and all below it, parents before their children."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children.values())

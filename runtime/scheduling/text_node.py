"""TextNode: an edge of the tree that the waiting texts form, with the rows whose texts go through it."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ..cache.node import Node
from ..row import Row
from .changing_heap import ChangingHeap


@dataclass(slots=True, eq=False)
class TextNode:
    """An edge of the tree with what lies under it: tokens [start, depth) of some waiting texts.

    Where a part of the segment is cached, but nothing of what follows, one number says it of all the texts that go
    through the node: it is the head of their group. The group of a head is all that lies under it and under no
    further head; `o` below are heads, with what of their segments is cached:

        root o
        ├── "abcdef" o abcdef        of all texts that begin with abcdef, those under "ghij" have 9 tokens cached,
        │   ├── "ghij" o ghi         the others 6
        │   └── "xyz"
        └── "uvw"                    texts of which nothing is cached are the root's
    """

    segment: "array[int]"  # int32 token ids, empty for a root
    depth: int  # tokens of the text up to the end of the segment
    parent: "TextNode | None"
    namespace: str
    children: "dict[int, TextNode]" = field(default_factory=dict)  # by the first token of their segment
    num_rows: int = 0  # whose texts end here
    leaders: dict[Row, None] = field(default_factory=dict)  # of the rows here and below, those being computed
    match_len: int | None = None  # tokens of the text that are cached; None: not a head. A root is one always.
    match_node: Node | None = None  # the cache's node where the match ends; None: a root, or not a head
    lines: "dict[str, ChangingHeap[Row | TextNode]]" = field(default_factory=dict)
    """Of `MatchOrder`: by line, the rows here and the nodes just below that are no heads, each by its oldest row."""

    @property
    def start(self) -> int:
        """Tokens of the text before the segment."""
        return self.depth - len(self.segment)

    @property
    def is_head(self) -> bool:
        """Whether some of the segment is cached."""
        return self.match_len is not None

    @property
    def head(self) -> "TextNode":
        """The head of the group that the node is in. O(nodes above)."""
        for node in self.path():
            if node.match_len is not None:
                return node
        raise AssertionError(f"node [{self.start}, {self.depth}) of {self.namespace!r}: its root is no head")

    def path(self) -> "Iterator[TextNode]":
        """The node and all above it, up to the root."""
        current: TextNode | None = self
        while current is not None:
            yield current
            current = current.parent


class Regrouping(Protocol):
    """Who orders rows by their matches: is asked to look away while what lies under a node gets another."""

    def take_out(self, node: TextNode) -> None:
        """The node, and its group if it is a head, is about to get another match or another node above it."""

    def put_back(self, node: TextNode) -> None:
        """It has them."""

"""MatchOrder: rows that wait, by how much of their texts is cached."""

from collections import defaultdict

from ..row import Row
from .changing_heap import ChangingHeap
from .text_node import TextNode


class MatchOrder:
    """Rows in lines, each with the longest match first, and of equal ones the oldest.

    A line has its groups in a heap, by their match and their oldest row; the oldest row of a group is found from its
    head downwards, from heap to heap. So where the match of a group changes, or two groups become one, that costs a
    step for each line in it, not for each row:

        line   (9 tokens, row 4)  (6 tokens, row 2)   (0 tokens, row 1)
                  "ghij" o            "abcdef" o               root o
                    4, 7              2, "xyz": 5             1, "uvw": 3

    Rows that are not in the tree of waiting texts stand in the line by themselves, by `num_match`. Taking a row in
    or out costs O(log n) for each node between it and the head of its group for which it is the oldest.
    """

    def __init__(self) -> None:
        self._node_of: dict[Row, TextNode | None] = {}
        self._lines: defaultdict[str, ChangingHeap[Row | TextNode]] = defaultdict(ChangingHeap)

    def __len__(self) -> int:
        return len(self._node_of)

    def __contains__(self, row: Row) -> bool:
        return row in self._node_of

    def add(self, row: Row, line: str, node: TextNode | None = None) -> None:
        """Take in a row; `node`: where its text ends, None if it is not in the tree of waiting texts."""
        self._node_of[row] = node
        if node is None:
            self._lines[line].set(row, _alone(row))
            return
        heap = node.lines.get(line)
        if heap is None:
            heap = node.lines[line] = ChangingHeap()
        heap.set(row, row.arrival)
        if heap.first() is row:
            self._lift(node, line)

    def remove(self, row: Row, line: str) -> None:
        """Take out a row that is in."""
        node = self._node_of.pop(row)
        if node is None:
            self._discard(row, line)
            return
        heap = node.lines[line]
        was_first = heap.first() is row
        heap.discard(row)
        if was_first:
            self._lift(node, line)

    def refresh(self, row: Row, line: str) -> None:
        """`num_match` of a row that stands by itself is another now."""
        if self._node_of[row] is None:
            self._lines[line].set(row, _alone(row))

    def first(self, line: str) -> Row | None:
        """The row to go first; None if there is none."""
        item = self._lines[line].first() if line in self._lines else None
        while isinstance(item, TextNode):
            item = item.lines[line].first()
        return item

    def first_key(self, line: str) -> tuple[int, ...] | None:
        """The negative match and the arrival of the first row; None if there is none."""
        return self._lines[line].first_key() if line in self._lines else None

    def take_out(self, node: TextNode) -> None:
        """Leave out what is under a node until it is put back. O(lines in it * nodes up to its head)."""
        for line in node.lines:
            if node.is_head:
                self._discard(node, line)
            elif node.parent is not None:
                self._enter(node.parent, node, None, line)

    def put_back(self, node: TextNode) -> None:
        """Count what is under a node as what it is now."""
        for line in node.lines:
            self._lift(node, line)

    def _lift(self, node: TextNode, line: str) -> None:
        """The first row of a node is another now, or it has none: see to it that those above know."""
        key = node.lines[line].first_key()
        if key is None:
            del node.lines[line]
        if node.match_len is None:
            assert node.parent is not None, "a root is a head"
            self._enter(node.parent, node, key, line)
        elif key is None:
            self._discard(node, line)
        else:
            self._lines[line].set(node, (-node.match_len, *key))

    def _enter(self, parent: TextNode, node: TextNode, key: tuple[int, ...] | None, line: str) -> None:
        """Put a node among what is under its parent, by its oldest row, or take it out."""
        heap = parent.lines.get(line)
        if heap is None:
            heap = parent.lines[line] = ChangingHeap()
        before = heap.first_key()
        if key is None:
            heap.discard(node)
        else:
            heap.set(node, key)
        if heap.first_key() != before:
            self._lift(parent, line)

    def _discard(self, item: Row | TextNode, line: str) -> None:
        self._lines[line].discard(item)
        if not self._lines[line]:
            del self._lines[line]

    def check_integrity(self) -> None:
        """Raise AssertionError unless every row is found, with its key, from the top of a line. O(rows * depth)."""
        rows: list[Row] = []
        for line, heap in self._lines.items():
            for item in heap:
                if isinstance(item, Row):
                    rows.append(item)
                    continue
                assert item.match_len is not None, f"[{item.start}, {item.depth}) in line {line!r}: not a head"
                first = item.lines[line].first_key()
                assert first is not None, f"[{item.start}, {item.depth}) in line {line!r}: without rows"
                assert heap.key_of(item) == (-item.match_len, *first), (heap.key_of(item), item.match_len, first)
                rows.extend(_rows_under(item, line))
        assert len(rows) == len(self._node_of), f"expected {len(self._node_of)} rows in all lines, got {len(rows)}"
        assert set(rows) == self._node_of.keys(), "the lines have other rows than were added"


def _rows_under(node: TextNode, line: str) -> list[Row]:
    """All rows of a line that are found from a node, with a look at the keys on the way."""
    rows: list[Row] = []
    heap = node.lines[line]
    for item in heap:
        if isinstance(item, Row):
            rows.append(item)
            continue
        assert item.parent is node, f"[{item.start}, {item.depth}): listed under another parent"
        assert not item.is_head, f"[{item.start}, {item.depth}): a head is listed under its parent"
        assert heap.key_of(item) == item.lines[line].first_key(), f"[{item.start}, {item.depth}): an old key"
        rows.extend(_rows_under(item, line))
    return rows


def _alone(row: Row) -> tuple[int, ...]:
    return (-row.num_match, *row.arrival)

"""EvictionQueue: all nodes that may be evicted, in the order in which they would be."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator

from .eviction_policy import EvictionPolicy
from .node import Node


class EvictionQueue:
    """The unlocked nodes, inner ones too, by rank and then by last use.

    Whoever uses a text puts its nodes in from the last to the root, so that a parent comes after its children: in
    its own list if their ranks are equal, in a later one if not. So the first node of the queue is always a leaf, and
    when it goes, the order of the others stands. Nothing has to be refreshed, searched, or put in again.

        rank 0   leaf a ─ leaf b ─ parent of a     each rank a linked list, by last use
        rank 3   leaf c ─ parent of b, c           as in the O(1) LFU of Shah, Mitra and Matani (2010)

    Every operation costs O(1) amortised, apart from a rank's first and last node: these move it in and out of a sorted
    list of the ranks in use (one under `lru`, as many as there are priorities or counts of use under the others).
    """

    def __init__(self, rank_of: EvictionPolicy) -> None:
        self._rank_of = rank_of
        self._levels: dict[int, OrderedDict[Node, None]] = {}
        self._ranks: list[int] = []  # the keys of `_levels`, ascending

    def __len__(self) -> int:
        return sum(map(len, self._levels.values()))

    def __iter__(self) -> Iterator[Node]:
        for rank in self._ranks:
            yield from self._levels[rank]

    def put(self, node: Node) -> None:
        """Take in a node as the one of its rank that was used last; one that is in already is moved."""
        rank = self._rank_of(node)
        if node.queue_rank is not None:
            if node.queue_rank == rank:
                self._levels[rank].move_to_end(node)
                return
            self.discard(node)
        level = self._levels.get(rank)
        if level is None:
            level = self._levels[rank] = OrderedDict()
            insort(self._ranks, rank)
        level[node] = None
        node.queue_rank = rank

    def discard(self, node: Node) -> None:
        """Take out a node, if it is in."""
        rank = node.queue_rank
        if rank is None:
            return
        level = self._levels[rank]
        del level[node]
        node.queue_rank = None
        if not level:
            del self._levels[rank]
            del self._ranks[bisect_left(self._ranks, rank)]

    def first(self) -> Node | None:
        """The node that goes first; None if there is none."""
        return next(iter(self._levels[self._ranks[0]])) if self._ranks else None

    def check_integrity(self) -> None:
        """Raise AssertionError unless every node comes after its children and has the rank it is listed under. O(n)."""
        assert self._ranks == sorted(self._levels), f"expected ranks {sorted(self._levels)}, got {self._ranks}"
        seen: set[Node] = set()
        for rank in self._ranks:
            level = self._levels[rank]
            assert level, f"eviction rank {rank}: expected a node, the list is empty"
            for node in level:
                where = f"node [{node.start}, {node.depth}) of {node.namespace!r} in the eviction queue"
                assert node.queue_rank == rank, f"{where}: listed under rank {rank}, says {node.queue_rank}"
                assert self._rank_of(node) == rank, f"{where}: listed under rank {rank}, has {self._rank_of(node)}"
                assert all(child in seen for child in node.children.values()), f"{where}: comes before a child of its"
                seen.add(node)

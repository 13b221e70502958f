"""Timed memory: how long a step's own rows keep the memory busy, apart from what waiting rows cost meanwhile."""

import time

from palmette.runtime.branch import Branch
from palmette.runtime.cache.node import Node
from palmette.runtime.cache.tree_listener import TreeListener
from palmette.runtime.memory import Memory


class TimedMemory(Memory):
    """Adds up the CPU time of what is proportional to the rows that run: their pages found, reserved, given back."""

    rows_s = 0.0

    def attach(self, branch: Branch, limit: int | None) -> None:
        """See `Memory`."""
        begin = time.thread_time()
        super().attach(branch, limit)
        self.rows_s += time.thread_time() - begin

    def reserve(self, branch: Branch, num_cells: int) -> bool:
        """See `Memory`."""
        begin = time.thread_time()
        has_room = super().reserve(branch, num_cells)
        self.rows_s += time.thread_time() - begin
        return has_room

    def release(self, branch: Branch, *, is_good: bool = True) -> None:
        """See `Memory`."""
        begin = time.thread_time()
        super().release(branch, is_good=is_good)
        self.rows_s += time.thread_time() - begin


class TimedListener:
    """Adds up the CPU time that a listener of the cache takes: the matches of waiting rows are kept up to date."""

    def __init__(self, listener: TreeListener) -> None:
        self.spent_s = 0.0
        self._listener = listener

    def on_insert(self, node: Node, start: int) -> None:
        """See `TreeListener`."""
        begin = time.thread_time()
        self._listener.on_insert(node, start)
        self.spent_s += time.thread_time() - begin

    def on_split(self, upper: Node, lower: Node) -> None:
        """See `TreeListener`."""
        begin = time.thread_time()
        self._listener.on_split(upper, lower)
        self.spent_s += time.thread_time() - begin

    def on_evict(self, node: Node, parent: Node) -> None:
        """See `TreeListener`."""
        begin = time.thread_time()
        self._listener.on_evict(node, parent)
        self.spent_s += time.thread_time() - begin

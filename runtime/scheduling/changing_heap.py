"""ChangingHeap: a heap whose items change their keys, or leave, at any time."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

_NUM_SPARE_ENTRIES = 64


class ChangingHeap(Generic[Item]):
    """Items by key, the smallest first, and of equals the one that got its key first.

    A new key is pushed beside the old one, which is dropped when it surfaces; so every call costs O(log n), amortised.
    """

    __slots__ = ("_entries", "_heap", "_num_pushes")

    def __init__(self) -> None:
        self._entries: dict[Item, tuple[tuple[int, ...], int]] = {}
        self._heap: list[tuple[tuple[int, ...], int, Item]] = []
        self._num_pushes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item: Item) -> bool:
        return item in self._entries

    def __iter__(self) -> Iterator[Item]:
        """The items in no order."""
        return iter(self._entries)

    def set(self, item: Item, key: tuple[int, ...]) -> None:
        """Put the item in, or give it another key."""
        entry = self._entries.get(item)
        if entry is not None and entry[0] == key:
            return
        self._num_pushes += 1
        self._entries[item] = (key, self._num_pushes)
        heapq.heappush(self._heap, (key, self._num_pushes, item))
        if len(self._heap) > 2 * len(self._entries) + _NUM_SPARE_ENTRIES:
            self._heap = [(kept, number, each) for each, (kept, number) in self._entries.items()]
            heapq.heapify(self._heap)

    def discard(self, item: Item) -> bool:
        """Take the item out; False if it was not in."""
        return self._entries.pop(item, None) is not None

    def first(self) -> Item | None:
        """The item with the smallest key, which stays in; None if there is none."""
        while self._heap:
            _, number, item = self._heap[0]
            entry = self._entries.get(item)
            if entry is not None and entry[1] == number:
                return item
            heapq.heappop(self._heap)
        return None

    def key_of(self, item: Item) -> tuple[int, ...]:
        """The key of an item that is in."""
        return self._entries[item][0]

    def first_key(self) -> tuple[int, ...] | None:
        """The smallest key; None if there is none."""
        item = self.first()
        return None if item is None else self._entries[item][0]

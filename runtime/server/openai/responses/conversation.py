"""Conversation: the items of a chain of responses, as a list whose beginning is shared by all that go on from it."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

Item = dict[str, Any]
"""An item as JSON, with its `id`."""


class Conversation:
    """Items after those of `earlier`. Only ever added to at the end, and only while nothing goes on from it.

    {user: Hi} {message: Hello}  <--  {user: And then?} {message: ...}
                                 <--  {user: Never mind} {message: ...}
    """

    __slots__ = ("_items", "depth", "earlier", "num_bytes", "num_items", "num_users")

    def __init__(self, earlier: "Conversation | None", items: Sequence[Item]) -> None:
        self.earlier = earlier
        self.depth: int = 1 if earlier is None else earlier.depth + 1
        self._items: list[Item] = list(items)
        self.num_items: int = len(items) + (0 if earlier is None else earlier.num_items)
        self.num_bytes: int = sum(map(size_of, items))
        """Of its own items, as JSON."""
        self.num_users = 0
        """Who keeps it: stored responses, and conversations that go on from it."""

    def append(self, items: Sequence[Item]) -> int:
        """Add items; returns their bytes."""
        added = sum(map(size_of, items))
        self._items += items
        self.num_items += len(items)
        self.num_bytes += added
        return added

    @property
    def own_items(self) -> tuple[Item, ...]:
        """The items after those of `earlier`."""
        return tuple(self._items)

    def items(self) -> list[Item]:
        """All items from the first on. Takes no stack, however long the chain is."""
        found: list[Item] = []
        for part in reversed(list(self._chain())):
            found += part._items
        return found

    def _chain(self) -> "Iterator[Conversation]":
        part: Conversation | None = self
        while part is not None:
            yield part
            part = part.earlier


def size_of(item: object) -> int:
    """Bytes of anything as JSON."""
    return len(msgspec.json.encode(item))

"""Cache sides: the radix cache, and a plain table of hashed blocks, under the same operations."""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import torch

from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.cache.radix_cache import RadixCache

_LAYOUT = KVLayout(num_layers=1, num_kv_heads=1, head_dim=1, dtype=torch.int64)


class CacheSide(Protocol):
    """What holds prefixes, and what is measured of it. Texts are token ids in lists, as branches have them."""

    name: str

    def match(self, text: list[int]) -> int:
        """Tokens of the text's longest known prefix."""

    def use(self, text: list[int]) -> None:
        """Match, count as a use, keep from eviction for a moment."""

    def insert(self, text: list[int]) -> None:
        """Make the text known, in fresh pages where it is new."""

    def evict(self, num_pages: int) -> int:
        """Free that many pages of what was used longest ago; returns how many were freed."""


class RadixSide:
    """palmette's cache, with the pool it takes its pages from."""

    name = "radix tree"

    def __init__(self, num_pages: int, page_size: int) -> None:
        self.pool = KVPool(_LAYOUT, num_pages, page_size)
        self.cache = RadixCache(self.pool)
        self._page_size = page_size

    def match(self, text: list[int]) -> int:
        """See `CacheSide`."""
        return self.cache.match_prefix("", text).num_tokens

    def use(self, text: list[int]) -> None:
        """See `CacheSide`."""
        self.cache.unlock(self.cache.lock_match(self.cache.match_prefix("", text)))

    def insert(self, text: list[int]) -> None:
        """See `CacheSide`."""
        match = self.cache.match_prefix("", text)
        num_whole = match.num_tokens // self._page_size
        fresh = self.pool.allocate(-(-len(text) // self._page_size) - num_whole)
        self.cache.insert("", text, [*match.pages[:num_whole], *fresh])
        self.pool.release_all(fresh)

    def evict(self, num_pages: int) -> int:
        """See `CacheSide`."""
        return self.cache.evict(num_pages)


class BlockTableSide:
    """The peer: one dict from the hash of a whole-page prefix to its page, in order of use.

    The usual other design (each block's hash covers the one before it, as in PagedAttention servers): whole pages
    only, no locks, no counts of evictable pages, no order between a prefix and what follows it.
    """

    name = "table of block hashes"

    def __init__(self, num_pages: int, page_size: int) -> None:
        self._page_size = page_size
        self._free = list(range(num_pages))
        self._pages: OrderedDict[int, int] = OrderedDict()

    def match(self, text: list[int]) -> int:
        """See `CacheSide`."""
        num_tokens = 0
        for key in self._keys(text):
            if key not in self._pages:
                break
            num_tokens += self._page_size
        return num_tokens

    def use(self, text: list[int]) -> None:
        """See `CacheSide`."""
        for key in reversed(self._keys(text)):
            if key in self._pages:
                self._pages.move_to_end(key)

    def insert(self, text: list[int]) -> None:
        """See `CacheSide`."""
        for key in reversed(self._keys(text)):
            if key not in self._pages:
                self._pages[key] = self._free.pop()
            else:
                self._pages.move_to_end(key)

    def evict(self, num_pages: int) -> int:
        """See `CacheSide`."""
        num_freed = min(num_pages, len(self._pages))
        for _ in range(num_freed):
            self._free.append(self._pages.popitem(last=False)[1])
        return num_freed

    def _keys(self, text: list[int]) -> list[int]:
        keys, key = [], 0
        for start in range(0, len(text) - self._page_size + 1, self._page_size):
            key = hash((key, tuple(text[start : start + self._page_size])))
            keys.append(key)
        return keys


def read_once(text: Sequence[int]) -> "array[int]":
    """The bound: to read the text's ids once, as whatever compares them must."""
    return array("i", text)

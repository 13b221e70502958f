"""DepthFirst: the policy that goes through the tree of the waiting texts from one side to the other."""

import sys
from array import array
from bisect import bisect_left, insort

from ..row import Row
from .policy import Policy
from .text_node import TextNode

_Key = tuple[str, bytes, tuple[int, int]]


class DepthFirst(Policy):
    """Rows in the order of a walk through the tree that their texts form, one subtree after the other.

    That is the order of the dictionary: rows sorted by their token ids. A prefix is used by all who share it before
    the next one is begun, which for a fixed set of rows computes the fewest tokens that any order can (Zheng et al.
    2023, arXiv:2312.07104, theorem 3.1). The walk goes on from the row it let in last, and starts over at the end, so
    that what comes while it is under way is taken along; a row may wait as long as others keep coming in before it.

    A row costs O(log n) comparisons of texts, once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[Row, _Key] = {}
        self._order: list[tuple[_Key, Row]] = []
        self._last: _Key | None = None

    def wait_bound(self, num_older: int) -> int | None:  # noqa: ARG002 - without a bound there is nothing to compute
        """None: texts that come later may stand before it, for ever."""
        return None

    def serve(self, row: Row, num_tokens: int) -> None:  # noqa: ARG002 - the walk does not count
        """The walk has come to this row."""
        self._last = _key(row)

    def _num_new(self) -> int:
        return len(self._keys)

    def _has_new(self, row: Row) -> bool:
        return row in self._keys

    def _add_new(self, row: Row, node: TextNode | None) -> None:  # noqa: ARG002 - what is cached does not matter
        self._keys[row] = _key(row)
        insort(self._order, (self._keys[row], row), key=_sort_key)

    def _remove_new(self, row: Row) -> None:
        del self._order[bisect_left(self._order, self._keys.pop(row), key=_sort_key)]

    def _first_new(self) -> Row | None:
        if not self._order:
            return None
        index = 0 if self._last is None else bisect_left(self._order, self._last, key=_sort_key)
        return self._order[index % len(self._order)][1]

    def _refresh_new(self, row: Row) -> None:
        """What is cached does not matter: the order sees to it that it is."""


def _key(row: Row) -> _Key:
    token_ids = array("I", row.branch.token_ids)
    if sys.byteorder == "little":
        token_ids.byteswap()  # with the high byte first, bytes have the order of the numbers, and compare in no time
    return row.branch.namespace, token_ids.tobytes(), row.arrival


def _sort_key(entry: tuple[_Key, Row]) -> _Key:
    return entry[0]

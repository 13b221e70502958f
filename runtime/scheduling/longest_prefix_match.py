"""LongestPrefixMatch: the policy that lets in what is cached."""

from ..row import Row
from .match_order import MatchOrder
from .policy import Policy
from .text_node import TextNode

_LINE = ""
"""All rows wait in one line."""


class LongestPrefixMatch(Policy):
    """Rows with the longest cached prefix first, so that it is used before it is evicted; ties by arrival.

    RadixAttention's order (Zheng et al. 2023, arXiv:2312.07104, section 3). A row whose prefix nobody has cached may
    wait as long as there are others.
    """

    def __init__(self) -> None:
        super().__init__()
        self._order = MatchOrder()

    def wait_bound(self, num_older: int) -> int | None:  # noqa: ARG002 - without a bound there is nothing to compute
        """None: rows that come later may go first, for ever."""
        return None

    def take_out(self, node: TextNode) -> None:
        """See `Policy`."""
        self._order.take_out(node)

    def put_back(self, node: TextNode) -> None:
        """See `Policy`."""
        self._order.put_back(node)

    def check_integrity(self) -> None:
        """See `Policy`."""
        self._order.check_integrity()

    def _num_new(self) -> int:
        return len(self._order)

    def _has_new(self, row: Row) -> bool:
        return row in self._order

    def _add_new(self, row: Row, node: TextNode | None) -> None:
        self._order.add(row, _LINE, node)

    def _remove_new(self, row: Row) -> None:
        self._order.remove(row, _LINE)

    def _first_new(self) -> Row | None:
        return self._order.first(_LINE)

    def _refresh_new(self, row: Row) -> None:
        self._order.refresh(row, _LINE)

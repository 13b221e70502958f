"""Policy: in which order waiting rows are let in."""

from abc import ABC, abstractmethod

from ..row import Row
from .changing_heap import ChangingHeap
from .text_node import TextNode


class Policy(ABC):
    """Holds the rows that wait and may be let in, and says which is the next.

        add --> waiting --(first, remove, serve)--> let in --(charge)--> ... --(preempted: add)--> waiting
                  |  ^
                  +--+ take_out, put_back: the cache has gained or lost something of the texts of many rows

    Rows that were preempted have been chosen once, and paid for: they come before all others, in order of seniority.
    """

    def __init__(self) -> None:
        self._returning: ChangingHeap[Row] = ChangingHeap()

    def __len__(self) -> int:
        """Rows that wait here."""
        return len(self._returning) + self._num_new()

    def __contains__(self, row: Row) -> bool:
        return row in self._returning or self._has_new(row)

    def seniority(self, row: Row) -> tuple[int, ...]:
        """The smaller, the less a row yields to others: nobody takes pages from a row that is more senior than he.

        It is the same as long as the row lives, and no two rows have the same.
        """
        return row.arrival

    def add(self, row: Row, node: TextNode | None = None) -> None:
        """Let a row wait.

        `node`: where its text ends among those that wait, which says how much of it is cached; without one it is
        `row.num_match`.
        """
        if row.num_preemptions:
            self._returning.set(row, self.seniority(row))
        else:
            self._add_new(row, node)

    def remove(self, row: Row) -> None:
        """Take out a row that waits here."""
        if not self._returning.discard(row):
            self._remove_new(row)

    def first(self) -> Row | None:
        """The row to let in next, which stays here; None if nobody waits. Asking changes nothing."""
        return self._returning.first() or self._first_new()

    def refresh(self, row: Row) -> None:
        """`row.num_match` is another now, of a row without a node."""
        if row not in self._returning:
            self._refresh_new(row)

    def take_out(self, node: TextNode) -> None:  # noqa: B027 - not every policy looks at matches
        """The rows under a node are about to get another match, or other nodes above them: leave them out."""

    def put_back(self, node: TextNode) -> None:  # noqa: B027 - as above
        """They have them."""

    def check_integrity(self) -> None:  # noqa: B027 - as above
        """Raise AssertionError unless the rows are where their matches put them."""

    def serve(self, row: Row, num_tokens: int) -> None:  # noqa: B027 - not every policy counts
        """A row has been removed and let in for the first time: `num_tokens` are to be computed until it can write."""

    def charge(self, row: Row, num_tokens: int) -> None:  # noqa: B027 - as above
        """So many more tokens are computed for a row that was served."""

    @abstractmethod
    def wait_bound(self, num_older: int) -> int | None:
        """The most other rows that are served between `add` and `serve` of a row; None: there is no such bound.

        `num_older`: the rows with an earlier arrival that wait when it comes, and those that come while it waits.
        """

    # --- what the kinds of policy do with rows that were never let in

    @abstractmethod
    def _num_new(self) -> int: ...

    @abstractmethod
    def _has_new(self, row: Row) -> bool: ...

    @abstractmethod
    def _add_new(self, row: Row, node: TextNode | None) -> None: ...

    @abstractmethod
    def _remove_new(self, row: Row) -> None: ...

    @abstractmethod
    def _first_new(self) -> Row | None: ...

    @abstractmethod
    def _refresh_new(self, row: Row) -> None: ...

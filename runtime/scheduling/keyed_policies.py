"""The policies that order rows by one key of each: by arrival, by priority."""

from abc import abstractmethod

from ..row import Row
from .changing_heap import ChangingHeap
from .policy import Policy
from .text_node import TextNode


class KeyedPolicy(Policy):
    """Rows by a key of each row alone."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: ChangingHeap[Row] = ChangingHeap()

    @abstractmethod
    def key(self, row: Row) -> tuple[int, ...]:
        """The smallest goes first."""

    def wait_bound(self, num_older: int) -> int | None:  # noqa: ARG002 - without a bound there is nothing to compute
        """None: rows that come later may go first, for ever."""
        return None

    def _num_new(self) -> int:
        return len(self._rows)

    def _has_new(self, row: Row) -> bool:
        return row in self._rows

    def _add_new(self, row: Row, node: TextNode | None) -> None:  # noqa: ARG002 - what is cached does not matter
        self._rows.set(row, self.key(row))

    def _remove_new(self, row: Row) -> None:
        self._rows.discard(row)

    def _first_new(self) -> Row | None:
        return self._rows.first()

    def _refresh_new(self, row: Row) -> None:
        """What is cached does not matter."""


class FirstComeFirstServed(KeyedPolicy):
    """By arrival."""

    def key(self, row: Row) -> tuple[int, ...]:
        """The arrival."""
        return row.arrival

    def wait_bound(self, num_older: int) -> int:
        """The older ones."""
        return num_older


class HighestPriority(KeyedPolicy):
    """By priority, the highest first; ties by arrival. Who has more of it also yields to nobody who has less.

    Strict: while rows of a higher priority keep coming, those of a lower one wait.
    """

    def seniority(self, row: Row) -> tuple[int, ...]:
        """The priority, then the arrival."""
        return (-row.ticket.terms.priority, *row.arrival)

    def add(self, row: Row, node: TextNode | None = None) -> None:
        """Rows that were preempted have no precedence over a higher priority."""
        self._add_new(row, node)

    def key(self, row: Row) -> tuple[int, ...]:
        """The seniority."""
        return self.seniority(row)

"""Admission: which requests are let wait, and which are refused because too many do."""

from ..config import SchedulerOptions
from ..errors import QueueFull
from ..row import Row
from ..ticket import Ticket


class Admission:
    """Counts the requests of which nothing has been let in yet, and the tokens they are to have computed.

    A request that has begun, or a program, is never refused later: what it still has to do does not count.
    """

    def __init__(self, options: SchedulerOptions) -> None:
        self._max_requests = options.max_queued_requests
        self._max_tokens = options.max_queued_tokens
        self._rows_of: dict[Ticket, dict[Row, int]] = {}
        self.num_tokens = 0
        self.num_refused = 0

    @property
    def num_requests(self) -> int:
        """Requests that wait and have not begun."""
        return len(self._rows_of)

    def check(self, num_tokens: int) -> None:
        """Refuse a request of that many tokens if the queue is full. One that would wait alone is never refused.

        Raises: QueueFull.
        """
        if not self.num_requests:
            return
        is_full = self._max_requests is not None and self.num_requests >= self._max_requests
        is_too_long = self._max_tokens is not None and self.num_tokens + num_tokens > self._max_tokens
        if is_full or is_too_long:
            self.num_refused += 1
            raise QueueFull(self.num_requests, self._max_requests, self.num_tokens + num_tokens, self._max_tokens)

    def enter(self, row: Row) -> None:
        """A row waits; it counts if nothing of its request has been let in."""
        if row.ticket.has_begun:
            return
        rows = self._rows_of.setdefault(row.ticket, {})
        if row not in rows:
            rows[row] = row.num_pending
            self.num_tokens += row.num_pending

    def begin(self, ticket: Ticket) -> None:
        """A row of a request has been let in: what else of it waits is not counted any more."""
        ticket.has_begun = True
        self.num_tokens -= sum(self._rows_of.pop(ticket, {}).values())

    def leave(self, row: Row) -> None:
        """A row waits no more; one that does not count is left alone."""
        rows = self._rows_of.get(row.ticket)
        if rows is None or row not in rows:
            return
        self.num_tokens -= rows.pop(row)
        if not rows:
            del self._rows_of[row.ticket]

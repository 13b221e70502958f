"""Deadlines: which requests have run out of time."""

import heapq

from ..errors import DeadlineExceeded
from ..ticket import Ticket


class Deadlines:
    """The times by which requests must have begun or ended, the next one first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, bool, Ticket]] = []

    def add(self, ticket: Ticket) -> None:
        """Note the deadlines of a request, if it has any."""
        terms = ticket.terms
        if terms.queue_timeout_s is not None:
            heapq.heappush(self._heap, (ticket.arrived_at + terms.queue_timeout_s, ticket.arrival, False, ticket))
        if terms.timeout_s is not None:
            heapq.heappush(self._heap, (ticket.arrived_at + terms.timeout_s, ticket.arrival, True, ticket))

    def pass_to(self, now: float) -> list[Ticket]:
        """Requests whose time has run out since the last call, each with its error; some may have ended long ago."""
        late: list[Ticket] = []
        while self._heap and self._heap[0][0] <= now:
            _, _, is_total, ticket = heapq.heappop(self._heap)
            if ticket.error is not None or (ticket.has_begun and not is_total):
                continue
            limit_s = ticket.terms.timeout_s if is_total else ticket.terms.queue_timeout_s
            assert limit_s is not None, ticket.terms
            waited_s = now - ticket.arrived_at
            ticket.error = DeadlineExceeded("timeout_s" if is_total else "queue_timeout_s", limit_s, waited_s)
            late.append(ticket)
        return late

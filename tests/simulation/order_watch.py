"""OrderWatch: whether the row that a policy sends is the one its order says, worked out anew from all that wait."""

from collections import Counter

from knobs import Knobs

from palmette.runtime.row import Row
from palmette.runtime.scheduling.scheduler import Scheduler


class OrderWatch:
    """Listens in on a policy. `broken` is the first row that was sent though another should have been.

    Rows that were let in before come first anyway, and a walk through a tree has an order of its own: neither is
    looked at. Without a cache the rows' matches are not comparable later on.
    """

    def __init__(self, scheduler: Scheduler, knobs: Knobs) -> None:
        self.broken: str | None = None
        self._scheduler = scheduler
        self._memory = scheduler._memory  # what is cached, from the one who is asked last
        self._policy_name = knobs.policy
        self._is_caching = knobs.is_caching
        self._oldest_every = knobs.oldest_every
        self._streaks: Counter[str] = Counter()
        """Of the default policy, by tenant: how many rows in a row were not its oldest."""
        first, remove, serve = scheduler.policy.first, scheduler.policy.remove, scheduler.policy.serve

        def hear_first() -> Row | None:
            row = first()
            if row is not None and not row.num_preemptions and self.broken is None:
                self._check(row)
            return row

        def hear_remove(row: Row) -> None:
            remove(row)
            if not self._line_of(row):
                self._streaks[row.ticket.terms.tenant] = 0

        def hear_serve(row: Row, num_tokens: int) -> None:
            self._count_turn(row)
            serve(row, num_tokens)

        vars(scheduler.policy).update(first=hear_first, remove=hear_remove, serve=hear_serve)

    def _check(self, sent: Row) -> None:
        policy = self._scheduler.policy
        waiting = [row for row in self._scheduler.waiting if row in policy and not row.num_preemptions]
        match self._policy_name:
            case "fcfs":
                best = [min(waiting, key=lambda row: row.arrival)]
            case "priority":
                best = [min(waiting, key=lambda row: (-row.ticket.terms.priority, row.arrival))]
            case "lpm" if self._is_caching:
                best = [min(waiting, key=self._by_match)]
            case "fair-lpm" if self._is_caching:
                tenant = sent.ticket.terms.tenant
                own = [row for row in waiting if row.ticket.terms.tenant == tenant]
                best = [min(own, key=self._by_match), min(own, key=lambda row: row.arrival)]
            case _:
                return
        if sent not in best:
            arrivals = [row.arrival for row in best]
            self.broken = f"{self._policy_name}: expected to send row {arrivals}, got {sent.arrival}"

    def _line_of(self, row: Row) -> list[Row]:
        """The rows of its tenant that wait to be let in for the first time."""
        policy, tenant = self._scheduler.policy, row.ticket.terms.tenant
        waiting = [each for each in self._scheduler.waiting if each in policy and not each.num_preemptions]
        return [each for each in waiting if each.ticket.terms.tenant == tenant]

    def _count_turn(self, served: Row) -> None:
        tenant, line = served.ticket.terms.tenant, self._line_of(served)
        is_oldest = all(served.arrival <= row.arrival for row in line)
        self._streaks[tenant] = 0 if is_oldest else self._streaks[tenant] + 1
        if self._policy_name == "fair-lpm" and self._streaks[tenant] >= self._oldest_every and self.broken is None:
            self.broken = f"tenant {tenant!r}: {self._streaks[tenant]} turns without its oldest row"

    def _by_match(self, row: Row) -> tuple[int, tuple[int, int]]:
        num_match = row.branch.num_computed if row.is_private else self._memory.num_match(row.branch, row.match_limit)
        return -num_match, row.arrival

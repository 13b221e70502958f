"""WaitWatch: how many rows are served before one that waits, against the bound that its policy states."""

from dataclasses import dataclass

from knobs import Knobs

from palmette.runtime.row import Row
from palmette.runtime.scheduling.fair_prefix_match import FairPrefixMatch
from palmette.runtime.scheduling.policy import Policy


@dataclass
class Wait:
    """One row that waits in the policy."""

    num_older: int
    num_served: int = 0
    """Rows served since it came."""
    is_over: bool = False


class WaitWatch:
    """Listens in on a policy. `broken` is the first bound that was not kept."""

    def __init__(self, policy: Policy, knobs: Knobs) -> None:
        self.broken: str | None = None
        self._policy = policy
        self._knobs = knobs
        self._waits: dict[Row, Wait] = {}
        self._tenants: set[str] = set()
        add, remove, serve = policy.add, policy.remove, policy.serve

        def hear_add(row: Row, *rest: object) -> None:
            self._come(row)
            add(row, *rest)

        def hear_remove(row: Row) -> None:
            if row in self._waits:
                self._waits[row].is_over = True
            remove(row)

        def hear_serve(row: Row, num_tokens: int) -> None:
            self._count(row)
            serve(row, num_tokens)

        vars(policy).update(add=hear_add, remove=hear_remove, serve=hear_serve)

    def _come(self, row: Row) -> None:
        self._tenants.add(row.ticket.terms.tenant)
        for other, wait in self._waits.items():
            wait.num_older += not wait.is_over and row.arrival < other.arrival
        if row.cached_tokens is not None:
            return  # it was let in before
        # One that was set aside meanwhile begins anew: the bound is on what happens while it is here.
        older = [other for other, wait in self._waits.items() if not wait.is_over and other.arrival < row.arrival]
        self._waits[row] = Wait(len(older))

    def _count(self, served: Row) -> None:
        wait = self._waits.pop(served, None)
        if wait is not None:
            self._check(served, wait)
        for other in self._waits.values():
            other.num_served += not other.is_over

    def _check(self, row: Row, wait: Wait) -> None:
        policy, knobs = self._policy, self._knobs
        if isinstance(policy, FairPrefixMatch):
            max_charge = min(knobs.context_len, knobs.num_pages * knobs.page_size) + 64
            bound: int | None = policy.wait_bound(
                wait.num_older,
                num_tenants=len(self._tenants),
                max_charge=max_charge,
                max_running_rows=knobs.max_running_rows,
            )
        else:
            bound = policy.wait_bound(wait.num_older)
        if bound is not None and wait.num_served > bound and self.broken is None:
            self.broken = f"row {row.arrival} saw {wait.num_served} others served, the bound is {bound}: {wait}"

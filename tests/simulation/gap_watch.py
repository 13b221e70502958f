"""GapWatch: how much more one tenant is charged than another while both wait, against the bound of the policy."""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

from palmette.runtime.row import Row
from palmette.runtime.scheduling.fair_prefix_match import FairPrefixMatch
from palmette.runtime.scheduling.scheduler import Scheduler


@dataclass
class Gap:
    """What two tenants that both wait were charged, the one less the other: the least and the most it has been."""

    low: int
    high: int


class GapWatch:
    """Listens in on the default policy. `broken` is the first bound that was not kept.

    The bound is that of the class for what the run has shown so far: the most that one row was charged, and the most
    rows that one tenant had let in at a time.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.broken: str | None = None
        self._scheduler = scheduler
        self._waiting: set[Row] = set()
        self._charged: Counter[str] = Counter()
        self._charged_row: Counter[Row] = Counter()
        self._max_rows = 1
        self._gaps: dict[tuple[str, str], Gap] = {}
        if isinstance(scheduler.policy, FairPrefixMatch):
            self._policy = scheduler.policy
            self._listen(scheduler.policy)

    def _listen(self, policy: FairPrefixMatch) -> None:
        add, remove, serve, charge = policy.add, policy.remove, policy.serve, policy.charge

        def hear_add(row: Row, *rest: object) -> None:
            add(row, *rest)
            if not row.num_preemptions:
                self._waiting.add(row)
                self._pair_up()

        def hear_remove(row: Row) -> None:
            remove(row)
            self._waiting.discard(row)
            self._pair_up()

        def hear_serve(row: Row, num_tokens: int) -> None:
            serve(row, num_tokens)
            self._charge(row, max(num_tokens, policy.min_charge))

        def hear_charge(row: Row, num_tokens: int) -> None:
            charge(row, num_tokens)
            self._charge(row, num_tokens)

        vars(policy).update(add=hear_add, remove=hear_remove, serve=hear_serve, charge=hear_charge)

    def _pair_up(self) -> None:
        """Begin with pairs of tenants that both wait now, and forget those that do not any more."""
        tenants = sorted({row.ticket.terms.tenant for row in self._waiting})
        pairs = list(combinations(tenants, 2))
        self._gaps = {pair: self._gaps.get(pair) or Gap(*[self._gap(pair)] * 2) for pair in pairs}

    def _gap(self, pair: tuple[str, str]) -> int:
        return self._charged[pair[0]] - self._charged[pair[1]]

    def _charge(self, row: Row, num_tokens: int) -> None:
        self._charged[row.ticket.terms.tenant] += num_tokens
        self._charged_row[row] += num_tokens
        begun = [*self._scheduler.running, *(each for each in self._scheduler.waiting if each.num_preemptions)]
        num_rows = Counter(each.ticket.terms.tenant for each in begun)
        self._max_rows = max([self._max_rows, *num_rows.values()])
        bound = self._policy.service_gap_bound(max(self._charged_row.values()), self._max_rows)
        for pair, gap in self._gaps.items():
            gap.low, gap.high = min(gap.low, self._gap(pair)), max(gap.high, self._gap(pair))
            if gap.high - gap.low > bound and self.broken is None:
                self.broken = f"tenants {pair} were charged {gap.high - gap.low} tokens apart, the bound is {bound}"

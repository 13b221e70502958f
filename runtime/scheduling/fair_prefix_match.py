"""FairPrefixMatch: the default policy: long cached prefixes first, but not for ever, and not at other tenants' cost."""

from dataclasses import dataclass, field

from ..row import Row
from .changing_heap import ChangingHeap
from .match_order import MatchOrder
from .policy import Policy
from .tenant_accounts import TenantAccounts
from .text_node import TextNode


@dataclass(eq=False)
class _Line:
    """The waiting rows of a tenant; their matches are in the order of all tenants."""

    by_age: ChangingHeap[Row] = field(default_factory=ChangingHeap)
    num_served: int = 0


class FairPrefixMatch(Policy):
    """Every k-th row of a tenant is its oldest, the others are those with the longest cached prefix.

    The first half is k-LPM (Dexter et al. 2025, arXiv:2502.04677): to go by prefixes alone is best for the cache and
    worst for whoever shares none, to go by age alone is the opposite; one turn in k for the oldest bounds every wait
    and leaves the other k - 1 to the cache. k = 1 is first come, first served; large k is longest prefix match.

    The second half is the deficit counter of locality-aware fair scheduling (Cao et al. 2025, arXiv:2501.14312): among
    tenants, too, the longest prefix goes first, but only tenants whose deficit is positive take part. A row is charged
    to its tenant for what it computes: its prompt, less what was cached, when it is let in (`min_charge` at least), and
    each further token when it comes. When no tenant that waits has anything left, each gets `quantum` more. So a tenant
    can be favoured by its prefixes for about a quantum, and no longer.

    Bounds. Let k be `oldest_every`, Q `quantum`, c `min_charge`, C the most that one row is charged in all, R the most
    rows that one tenant has running, and T the number of tenants that wait meanwhile.

    Wait: a row that finds n older rows of its own tenant before it, those that come later included (rows of programs
    that have begun are older than they look), sees at most

        A = k * (n + 1) - 1              others of its tenant served first, for one turn in k takes one of the n + 1,
        x = 1 + ((A + R) * C - 1) // Q   rounds begun: before the last of them its tenant still owed all it was given,
        W = A + (T - 1) * ceil((x + 1) * Q / c)      others in all: of each other tenant what x + 1 quanta pay for.

    Service gap: between two moments through which two tenants both have rows waiting here, what the one was charged
    and what the other was differ by at most

        G = 2 * (Q + R * C - 1)          since either deficit stays within [1 - R * C, Q], and both get the same rounds.

    Rows that are set aside because another one is computing their prefix are not in here and miss no turn for it: when
    they come back they are as old as before. A decision costs O(log n).
    """

    def __init__(self, oldest_every: int = 8, quantum: int = 2048, min_charge: int = 32) -> None:
        assert min(oldest_every, quantum, min_charge) >= 1, (oldest_every, quantum, min_charge)
        super().__init__()
        self.oldest_every = oldest_every
        self.min_charge = min_charge
        self.accounts = TenantAccounts(quantum)
        self._lines: dict[str, _Line] = {}
        self._by_match = MatchOrder()
        # Every tenant with rows waiting is in exactly one of these: by the row it would send; by its next round.
        self._awake: ChangingHeap[str] = ChangingHeap()
        self._asleep: ChangingHeap[str] = ChangingHeap()

    def wait_bound(
        self, num_older: int, *, num_tenants: int = 1, max_charge: int = 0, max_running_rows: int = 1
    ) -> int:
        """W of the class: n is `num_older`, T `num_tenants`, C `max_charge`, R `max_running_rows`.

        C and R count only where there are several tenants.
        """
        num_own = self.oldest_every * (num_older + 1) - 1
        if num_tenants == 1:
            return num_own
        quantum = self.accounts.quantum
        max_charge = max(max_charge, self.min_charge)
        num_rounds = 1 + ((num_own + max_running_rows) * max_charge - 1) // quantum
        return num_own + (num_tenants - 1) * -(-(num_rounds + 1) * quantum // self.min_charge)

    def service_gap_bound(self, max_charge: int, max_running_rows: int = 1) -> int:
        """G of the class, in tokens: C is `max_charge`, R `max_running_rows`."""
        return 2 * (self.accounts.quantum + max_running_rows * max(max_charge, self.min_charge) - 1)

    def serve(self, row: Row, num_tokens: int) -> None:
        """A turn of its tenant, and the charge for it."""
        tenant = row.ticket.terms.tenant
        self.accounts.charge(tenant, max(num_tokens, self.min_charge))
        line = self._lines.get(tenant)
        if line is not None:
            line.num_served += 1
            self._place(tenant, line)

    def charge(self, row: Row, num_tokens: int) -> None:
        """For what a row computes beyond what it was charged with at first."""
        self.accounts.charge(row.ticket.terms.tenant, num_tokens)

    def take_out(self, node: TextNode) -> None:
        """See `Policy`."""
        self._by_match.take_out(node)

    def put_back(self, node: TextNode) -> None:
        """See `Policy`."""
        self._by_match.put_back(node)
        for tenant in node.lines:
            self._place(tenant, self._lines[tenant])

    def check_integrity(self) -> None:
        """See `Policy`."""
        self._by_match.check_integrity()

    # --- rows

    def _num_new(self) -> int:
        return len(self._by_match)

    def _has_new(self, row: Row) -> bool:
        return row in self._by_match

    def _add_new(self, row: Row, node: TextNode | None) -> None:
        tenant = row.ticket.terms.tenant
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = _Line()
        if not line.by_age:
            self.accounts.begin(tenant)
        line.by_age.set(row, row.arrival)
        self._by_match.add(row, tenant, node)
        self._place(tenant, line)

    def _remove_new(self, row: Row) -> None:
        tenant = row.ticket.terms.tenant
        line = self._lines[tenant]
        line.by_age.discard(row)
        self._by_match.remove(row, tenant)
        self._place(tenant, line)

    def _refresh_new(self, row: Row) -> None:
        tenant = row.ticket.terms.tenant
        self._by_match.refresh(row, tenant)
        self._place(tenant, self._lines[tenant])

    # --- tenants

    def _first_new(self) -> Row | None:
        while True:
            tenant = self._awake.first()
            if tenant is not None:
                if self.accounts.deficit(tenant) > 0:
                    return self._next_of(tenant)
                self._awake.discard(tenant)
                self._put_asleep(tenant)
            elif not self._wake_tenants():
                return None

    def _wake_tenants(self) -> bool:
        """Begin the next round in which somebody has something; False if nobody waits."""
        key = self._asleep.first_key()
        if key is None:
            return False
        self.accounts.advance(key[0])
        while (tenant := self._asleep.first()) is not None and self._asleep.first_key() == key:
            self._asleep.discard(tenant)
            if self.accounts.deficit(tenant) > 0:
                self._place_awake(tenant, self._lines[tenant])
            else:
                self._put_asleep(tenant)  # it has been charged since
        return True

    def _place(self, tenant: str, line: _Line) -> None:
        """Put a tenant where it belongs, after something about its rows has changed."""
        if not line.by_age:
            self._awake.discard(tenant)
            self._asleep.discard(tenant)
            del self._lines[tenant]
            self.accounts.forget(self._lines.keys())
        elif tenant in self._awake:
            self._place_awake(tenant, line)
        elif tenant not in self._asleep:
            self._put_asleep(tenant)

    def _put_asleep(self, tenant: str) -> None:
        self._asleep.set(tenant, (self.accounts.next_round(tenant),))

    def _place_awake(self, tenant: str, line: _Line) -> None:
        is_for_age = _is_turn_of_oldest(line, self.oldest_every)
        key = line.by_age.first_key() if is_for_age else self._by_match.first_key(tenant)
        assert key is not None, "a tenant without rows has no line"
        # A turn of the oldest is not put off: it comes before the longest match of another tenant.
        self._awake.set(tenant, (0, *key) if is_for_age else (1, *key))

    def _next_of(self, tenant: str) -> Row:
        line = self._lines[tenant]
        is_for_age = _is_turn_of_oldest(line, self.oldest_every)
        row = line.by_age.first() if is_for_age else self._by_match.first(tenant)
        assert row is not None, "a tenant without rows has no line"
        return row


def _is_turn_of_oldest(line: _Line, oldest_every: int) -> bool:
    return line.num_served % oldest_every == oldest_every - 1

"""TenantAccounts: what each tenant may still have computed before the others have had as much."""

from collections.abc import Collection

_MAX_ACCOUNTS = 4096


class TenantAccounts:
    """Deficit counters, as in deficit round robin (Shreedhar and Varghese 1995), kept without visiting all of them.

    A round gives `quantum` tokens to every tenant that waits; it begins when none of them has anything left. So the
    deficit of tenant t in round r is

        deficit(t) = balance(t) + quantum * r

    where only charges to t change its balance. Who has had nothing to wait for keeps his debts, less a quantum for each
    round that has passed, but nothing in advance.
    """

    def __init__(self, quantum: int) -> None:
        self.quantum = quantum
        self._round = 0
        self._balances: dict[str, int] = {}

    def deficit(self, tenant: str) -> int:
        """Tokens the tenant may have computed in this round; 0 or less: he waits for the next."""
        return self._balances.get(tenant, -self.quantum * self._round) + self.quantum * self._round

    def next_round(self, tenant: str) -> int:
        """The first round, this one or a later one, in which the tenant may have something computed."""
        balance = self._balances.get(tenant, -self.quantum * self._round)
        return max(self._round, -balance // self.quantum + 1)

    def begin(self, tenant: str) -> None:
        """The tenant waits from now on."""
        self._balances[tenant] = min(0, self.deficit(tenant)) - self.quantum * self._round

    def charge(self, tenant: str, num_tokens: int) -> None:
        """Take tokens from a tenant, also more than he has."""
        self._balances[tenant] = self.deficit(tenant) - self.quantum * self._round - num_tokens

    def advance(self, next_round: int) -> None:
        """Go on to a later round; no tenant that waits may have anything left."""
        self._round = max(self._round, next_round)

    def forget(self, waiting: Collection[str]) -> None:
        """Drop the accounts of those who wait for nothing, when they have become many."""
        if len(self._balances) > _MAX_ACCOUNTS + 2 * len(waiting):
            self._balances = {each: balance for each, balance in self._balances.items() if each in waiting}

"""The policies alone: in which order they let rows in, and the bounds that the default one states."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_rows import stub_row

from palmette.runtime.config import PolicyName, SchedulerOptions
from palmette.runtime.row import Row
from palmette.runtime.scheduling.fair_prefix_match import FairPrefixMatch
from palmette.runtime.scheduling.policy import Policy
from palmette.runtime.scheduling.policy_choice import make_policy

NAMES: tuple[PolicyName, ...] = get_args(PolicyName)


def drain(policy: Policy) -> list[int]:
    """The arrivals of all rows in the order in which they are let in."""
    order = []
    while (row := policy.first()) is not None:
        policy.remove(row)
        policy.serve(row, len(row.branch.token_ids) - row.num_match)
        order.append(row.arrival[0])
    return order


def order_of(name: PolicyName, rows: list[Row], **options: int) -> list[int]:
    policy = make_policy(SchedulerOptions(policy=name, **options))
    for row in rows:
        policy.add(row)
    return drain(policy)


ROWS = [
    ([5, 1], {"num_match": 0, "priority": 0}),
    ([9, 1], {"num_match": 3, "priority": 2}),
    ([5, 0], {"num_match": 0, "priority": 1}),
    ([9, 0], {"num_match": 3, "priority": 0}),
    ([7, 7], {"num_match": 1, "priority": 2}),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fcfs", [1, 2, 3, 4, 5]),
        ("lpm", [2, 4, 5, 1, 3]),
        ("dfs", [3, 1, 5, 4, 2]),
        ("priority", [2, 5, 3, 1, 4]),
        ("fair-lpm", [2, 1, 4, 3, 5]),  # every second one is the oldest
    ],
)
def test_orders(name: PolicyName, expected: list[int]) -> None:
    rows = [stub_row(text, arrival, **given) for arrival, (text, given) in enumerate(ROWS, 1)]  # type: ignore[arg-type]
    assert order_of(name, rows, oldest_every=2) == expected


def test_fair_lpm_is_fcfs_where_every_turn_is_the_oldest_s_and_lpm_where_hardly_any_is() -> None:
    rows = [stub_row(text, arrival, **given) for arrival, (text, given) in enumerate(ROWS, 1)]  # type: ignore[arg-type]
    assert order_of("fair-lpm", rows, oldest_every=1) == order_of("fcfs", rows)
    assert order_of("fair-lpm", rows, oldest_every=100) == order_of("lpm", rows)


def test_depth_first_goes_on_from_where_it_is() -> None:
    policy = make_policy(SchedulerOptions(policy="dfs"))
    for arrival, text in enumerate([[1, 1], [3, 1]], 1):
        policy.add(stub_row(text, arrival))
    first = policy.first()
    assert first is not None
    policy.remove(first)
    policy.serve(first, 1)
    for arrival, text in enumerate([[0, 9], [1, 2], [2, 0]], 3):
        policy.add(stub_row(text, arrival))
    assert drain(policy) == [4, 5, 2, 3]


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_every_row_is_let_in_once_and_asking_changes_nothing(name: PolicyName, data: st.DataObject) -> None:
    policy = make_policy(SchedulerOptions(policy=name, quantum=10))
    rows = {
        stub_row(
            data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=5)),
            arrival,
            num_match=data.draw(st.integers(0, 4)),
            tenant=data.draw(st.sampled_from("abc")),
            priority=data.draw(st.integers(-1, 1)),
        )
        for arrival in range(data.draw(st.integers(0, 12), "num_rows"))
    }
    for row in rows:
        row.num_preemptions = data.draw(st.integers(0, 1))
        policy.add(row)
    left = set(rows)
    while left:
        assert len(policy) == len(left)
        row = policy.first()
        assert row is not None
        assert policy.first() is row
        if data.draw(st.booleans(), "refresh"):
            other = data.draw(st.sampled_from(sorted(left, key=lambda each: each.arrival)), "other")
            other.num_match = data.draw(st.integers(0, 4), "num_match")
            policy.refresh(other)
            continue
        policy.remove(row)
        assert row not in policy
        policy.serve(row, 1)
        left.remove(row)
    assert policy.first() is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "priority"])
def test_who_was_preempted_comes_first(name: PolicyName) -> None:
    rows = [stub_row([9, 9], 3), stub_row([1, 1], 1, num_match=1), stub_row([5, 5], 2)]
    rows[0].num_preemptions = rows[2].num_preemptions = 1
    assert order_of(name, rows) == [2, 3, 1]


def test_only_bounded_policies_state_a_bound() -> None:
    bounds = {name: make_policy(SchedulerOptions(policy=name)).wait_bound(3) for name in NAMES}
    assert bounds == {"fair-lpm": 31, "fcfs": 3, "lpm": None, "dfs": None, "priority": None}


# --- the bounds


@dataclass
class Waiting:
    """What is counted of a row while it waits."""

    num_older: int
    num_served_before: int
    tenants: set[str]


@dataclass
class Crowd:
    """Tenants at a policy; counts who is served before whom, and with what each is charged."""

    policy: FairPrefixMatch
    max_charge: int
    max_running_rows: int
    waiting: dict[Row, Waiting] = field(default_factory=dict)
    num_served: int = 0
    charged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    running: dict[str, list[tuple[Row, int]]] = field(default_factory=lambda: defaultdict(list))
    gaps: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def arrive(self, row: Row) -> None:
        tenant = tenant_of(row)
        for other, counted in self.waiting.items():
            counted.tenants.add(tenant)
            counted.num_older += tenant_of(other) == tenant and row.arrival < other.arrival
        num_older = sum(tenant_of(other) == tenant and other.arrival < row.arrival for other in self.waiting)
        tenants = {tenant, *(tenant_of(other) for other in self.waiting)}
        self.waiting[row] = Waiting(num_older, self.num_served, tenants)
        self.policy.add(row)
        self.check_gaps()

    def leave(self, row: Row) -> None:
        del self.waiting[row]
        self.policy.remove(row)
        self.check_gaps()

    def serve_next(self, cost: int, num_to_write: int) -> None:
        row, running = self.next_with_room()
        tenant = tenant_of(row)
        counted = self.waiting[row]
        bound = self.policy.wait_bound(
            counted.num_older,
            num_tenants=len(counted.tenants),
            max_charge=self.max_charge,
            max_running_rows=self.max_running_rows,
        )
        num_others = self.num_served - counted.num_served_before
        assert num_others <= bound, f"{num_others} rows were served before one whose bound is {bound}"
        self.leave(row)
        self.policy.serve(row, cost)
        self.num_served += 1
        self.charged[tenant] += max(cost, self.policy.min_charge)
        running.append((row, num_to_write))
        self.check_gaps()

    def next_with_room(self) -> tuple[Row, list[tuple[Row, int]]]:
        """Whose turn it is when its tenant may run one row more, and the tenant's running rows.

        The policy is asked again after a row has ended to make room: what that row wrote last has been charged by then.
        """
        while True:
            row = self.policy.first()
            assert row is not None
            running = self.running[tenant_of(row)]
            if len(running) < self.max_running_rows:
                return row, running
            self.write(tenant_of(row), running[0][1])

    def write(self, tenant: str, num_tokens: int) -> None:
        """The tenant's oldest running row writes, or ends if it has nothing left to write."""
        row, num_left = self.running[tenant].pop(0)
        num_tokens = min(num_tokens, num_left)
        self.policy.charge(row, num_tokens)
        self.charged[tenant] += num_tokens
        if num_tokens < num_left:
            self.running[tenant].append((row, num_left - num_tokens))
        self.check_gaps()

    def check_gaps(self) -> None:
        tenants = sorted({tenant_of(row) for row in self.waiting})
        pairs = {(one, other) for one in tenants for other in tenants if one < other}
        self.gaps = {pair: seen for pair, seen in self.gaps.items() if pair in pairs}
        bound = self.policy.service_gap_bound(self.max_charge, self.max_running_rows)
        for pair in pairs:
            gap = self.charged[pair[0]] - self.charged[pair[1]]
            low, high = self.gaps.get(pair, (gap, gap))
            self.gaps[pair] = low, high = min(low, gap), max(high, gap)
            assert high - low <= bound, f"{pair} were served {high - low} tokens apart, the bound is {bound}"


def tenant_of(row: Row) -> str:
    return row.ticket.terms.tenant


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_wait_and_no_gap_is_beyond_its_bound(data: st.DataObject) -> None:
    max_cost, max_written = data.draw(st.integers(1, 30), "max_cost"), data.draw(st.integers(0, 20), "max_written")
    min_charge = data.draw(st.integers(1, 8), "min_charge")
    policy = FairPrefixMatch(
        data.draw(st.integers(1, 5), "oldest_every"), data.draw(st.integers(1, 40), "quantum"), min_charge
    )
    max_charge = max(max_cost, min_charge) + max_written
    crowd = Crowd(policy, max_charge, data.draw(st.integers(1, 3), "max_running_rows"))
    random = data.draw(st.randoms(use_true_random=False), "random")
    num_tenants = data.draw(st.integers(1, 4), "num_tenants")
    greed = data.draw(st.integers(1, 9), "greed")  # how much more often one tenant comes than the others
    for arrival in range(1, data.draw(st.integers(1, 150), "num_steps")):
        what = random.random()
        if what < 0.45 or not crowd.waiting:
            tenant = "abcd"[min(random.randrange(num_tenants * greed), num_tenants - 1)]
            place = arrival if random.random() < 0.8 else random.randrange(arrival)  # of a program that has begun
            match = 20 if tenant == "d" else random.choice([0, 0, 1, 5, 20])
            crowd.arrive(stub_row([1], place, arrival, num_match=match, tenant=tenant))
        elif what < 0.75:
            crowd.serve_next(random.randint(1, max_cost), random.randint(0, max_written))
        elif what < 0.85:
            row = random.choice(list(crowd.waiting))
            row.num_match = random.choice([0, 1, 5, 20])
            policy.refresh(row)
        elif what < 0.95:
            busy = [tenant for tenant, running in crowd.running.items() if running]
            if busy:
                crowd.write(random.choice(busy), random.randint(1, 20))
        else:
            crowd.leave(random.choice(list(crowd.waiting)))
    while crowd.waiting:
        crowd.serve_next(random.randint(1, max_cost), random.randint(0, max_written))


def test_a_row_without_a_prefix_is_let_in_though_others_with_one_keep_coming() -> None:
    policy = FairPrefixMatch(oldest_every=4)
    poor = stub_row([1], 1)
    policy.add(poor)
    for num_others in range(10):
        policy.add(stub_row([1], 2 + num_others, num_match=50))
        row = policy.first()
        assert row is not None
        policy.remove(row)
        policy.serve(row, 1)
        if row is poor:
            break
    assert num_others == 3 == policy.wait_bound(0)


def test_two_tenants_get_equal_shares_though_one_sends_ten_times_as_much() -> None:
    policy = FairPrefixMatch(oldest_every=4, quantum=100, min_charge=1)
    for arrival in range(1000):
        policy.add(stub_row([1], arrival, tenant="quiet" if arrival % 11 == 0 else "loud", num_match=arrival % 7))
    served = {"quiet": 0, "loud": 0}
    for _ in range(100):
        row = policy.first()
        assert row is not None
        policy.remove(row)
        policy.serve(row, 10)
        served[tenant_of(row)] += 10
    assert abs(served["quiet"] - served["loud"]) <= policy.service_gap_bound(10)
    assert abs(served["quiet"] - served["loud"]) <= 110


def test_accounts_of_tenants_that_have_gone_are_forgotten() -> None:
    policy = FairPrefixMatch()
    for number in range(10_000):
        policy.add(stub_row([1], number, tenant=str(number)))
        assert drain(policy) == [number]
    assert len(policy.accounts._balances) < 5_000

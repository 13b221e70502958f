"""The scheduler in an engine: whatever the policy, answers stay, prefixes are computed once, and nobody starves."""

from typing import get_args

import pytest
from engine_harness import Harness, Listening, gen, oracle, tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_rows import stub_row

from palmette.runtime.branch import Branch
from palmette.runtime.config import PolicyName, SchedulerOptions
from palmette.runtime.request import Request
from palmette.runtime.row import Row
from palmette.runtime.scheduling.fair_prefix_match import FairPrefixMatch
from palmette.runtime.scheduling.preemption import choose_victim, num_lost_tokens
from palmette.runtime.ticket import Terms

NAMES: tuple[PolicyName, ...] = get_args(PolicyName)


def submit(harness: Harness, *operations: object, seed: int = 7, **terms: object) -> Listening:
    listening = Listening()
    branch_id = harness.core.open_branch(seed, "")
    listening.request = Request(branch_id, operations, listening, terms=Terms(**terms))  # type: ignore[arg-type]
    harness.core.submit(listening.request)
    return listening


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_policy_tenant_or_priority_changes_an_answer(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from([1, 2, 4]), "page_size")
    harness = Harness(
        page_size=page_size,
        num_pages=data.draw(st.integers(-(-24 // page_size), -(-90 // page_size)), "num_pages"),
        token_budget=data.draw(st.integers(1, 20), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 6), "max_running_rows"),
        policy=data.draw(st.sampled_from(NAMES), "policy"),
        is_caching=data.draw(st.integers(0, 4), "is_caching") > 0,
    )
    prompts = st.lists(st.integers(1, 2), min_size=1, max_size=16)
    sent = []
    for seed in range(data.draw(st.integers(1, 8), "num_requests")):
        prompt = data.draw(prompts, "prompt")
        operation = gen(data.draw(st.integers(1, 6), "max_new_tokens"), temperature=seed % 2)
        terms = {"tenant": data.draw(st.sampled_from("ab"), "tenant"), "priority": data.draw(st.integers(-1, 1), "p")}
        sent.append((submit(harness, tokens(*prompt), operation, seed=seed, **terms), prompt, operation, seed))
        for _ in range(data.draw(st.integers(0, 3), "steps")):
            harness.core.step()
            harness.core.check_integrity()
        if data.draw(st.integers(0, 5), "cancel") == 0:
            victim = sent.pop(data.draw(st.integers(0, len(sent) - 1), "victim"))
            harness.core.cancel(victim[0].request)
            harness.core.check_integrity()
    harness.run()
    for listening, prompt, operation, seed in sent:
        assert listening.token_ids() == oracle(prompt, operation.params, seed=seed)
    scheduler = harness.core.scheduler
    assert not scheduler.running
    assert not scheduler.waiting
    assert scheduler.most_senior is None
    assert harness.core.stats()["num_queued_requests"] == harness.core.stats()["num_queued_tokens"] == 0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_row_waits_beyond_the_bound_of_the_policy(data: st.DataObject) -> None:
    """Of one tenant: rows that had to wait for another's prefix, or for memory a second time, are not counted."""
    harness = Harness(
        num_pages=data.draw(st.integers(20, 200), "num_pages"),
        token_budget=data.draw(st.integers(4, 32), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 4), "max_running_rows"),
        policy="fair-lpm",
    )
    scheduler = harness.core.scheduler
    policy = scheduler.policy
    assert isinstance(policy, FairPrefixMatch)
    policy.oldest_every = data.draw(st.integers(1, 4), "oldest_every")
    served: list[Row] = []
    seen: dict[Row, tuple[int, int]] = {}
    serve = policy.serve

    def count(row: Row, num_tokens: int) -> None:
        serve(row, num_tokens)
        served.append(row)
        num_older, num_before = seen[row]
        bound = policy.wait_bound(num_older)
        assert row.num_followed or len(served) - 1 - num_before <= bound, (len(served), num_before, bound)

    policy.serve = count  # type: ignore[method-assign]
    for seed in range(data.draw(st.integers(1, 20), "num_requests")):
        prompt = data.draw(st.lists(st.integers(1, 2), min_size=1, max_size=12), "prompt")
        submit(harness, tokens(*prompt), gen(2), seed=seed)
        for row in scheduler.waiting:
            if row not in seen:
                seen[row] = (sum(other.arrival < row.arrival for other in scheduler.waiting), len(served))
        for _ in range(data.draw(st.integers(0, 2), "steps")):
            harness.core.step()
    harness.run()
    assert set(served) == set(seen)


# --- in-batch sharing


@pytest.mark.parametrize("policy", NAMES)
@pytest.mark.parametrize("token_budget", [2, 16, 256])
def test_a_common_prefix_that_nobody_has_cached_is_computed_once(policy: PolicyName, token_budget: int) -> None:
    harness = Harness(page_size=4, token_budget=token_budget, policy=policy)
    prefix = list(range(100, 140))
    middle = [list(range(200 + 20 * i, 212 + 20 * i)) for i in range(2)]  # prefixes within the prefix
    prompts = [[*prefix, *middle[i % 2], i] for i in range(8)]
    sent = [submit(harness, tokens(*prompt), gen(2)) for prompt in prompts]
    harness.run()
    assert [each.token_ids() for each in sent] == [oracle(prompt, gen(2).params) for prompt in prompts]
    num_different = len(prefix) + 2 * 12 + 8
    num_written = 8  # the second token of each; the first comes with the prompt
    num_at_seams = 8 * 4  # what lies past the last whole page is computed by each
    assert harness.core.num_computed_tokens <= num_different + num_written + num_at_seams


def test_rows_that_wait_for_a_prefix_hold_nobody_up() -> None:
    harness = Harness(page_size=4, token_budget=48, policy="lpm")
    submit(harness, tokens(*range(100, 260)), gen(1))
    harness.core.step()
    followers = [submit(harness, tokens(*range(100, 250), i), gen(1)) for i in range(5)]
    other = submit(harness, tokens(1, 2, 3), gen(1))
    harness.core.step()
    harness.core.step()  # 48 of the leader's tokens each time, and nothing left
    harness.core.step()  # the leader's last 16, among them two that the others share
    assert other.ended is not None, "another prompt goes on while they wait"
    harness.run()
    assert [each.error for each in followers] == [None] * 5


@pytest.mark.parametrize("num_steps", [1, 2])
def test_who_waited_for_a_prefix_goes_on_when_its_leader_is_gone(num_steps: int) -> None:
    harness = Harness(page_size=4, token_budget=16)
    prompt = list(range(100, 160))
    leader = submit(harness, tokens(*prompt), gen(1))
    harness.core.step()
    followers = [submit(harness, tokens(*prompt, i), gen(2)) for i in range(3)]
    for _ in range(num_steps):
        harness.core.step()
    before = harness.core.num_computed_tokens
    harness.core.cancel(leader.request)
    harness.core.check_integrity()
    harness.run()
    assert [each.token_ids() for each in followers] == [oracle([*prompt, i], gen(2).params) for i in range(3)]
    assert harness.core.num_computed_tokens - before < 2 * len(prompt), "one of them leads now"


# --- preemption


def test_the_victim_is_the_row_that_loses_least() -> None:
    harness = Harness(page_size=4, num_pages=64)
    shared = submit(harness, tokens(*range(100, 120)), gen(8))
    harness.core.step()
    submit(harness, tokens(*range(100, 120), 1), gen(8))  # shares five pages
    submit(harness, tokens(*range(200, 204)), gen(8))
    submit(harness, tokens(*range(300, 340)), gen(8))
    harness.core.step()
    harness.core.step()
    rows = {row.start_len: row for row in harness.core.scheduler.running}
    assert sorted(rows) == [4, 20, 21, 40]
    pool = harness.pool
    losses = {length: num_lost_tokens(row, pool) for length, row in rows.items()}
    assert losses[21] <= 4 < losses[4] + 4 < losses[40]
    assert choose_victim(rows.values(), pool) is rows[21]
    assert choose_victim([rows[4], rows[40]], pool) is rows[4]
    rows[4].num_preemptions = 20
    assert choose_victim([rows[4], rows[40]], pool) is rows[40], "what was lost before counts again"
    assert choose_victim([], pool) is None
    assert shared.ended is None


def test_a_lower_priority_is_preempted_first_whatever_it_loses() -> None:
    harness = Harness(page_size=4, num_pages=64)
    submit(harness, tokens(*range(100, 140)), gen(8), priority=-1)
    submit(harness, tokens(*range(200, 204)), gen(8))
    harness.core.step()
    low, high = harness.core.scheduler.running
    assert choose_victim([low, high], harness.pool) is low


def test_nobody_is_preempted_for_a_row_that_has_less_seniority() -> None:
    harness = Harness(num_pages=8, page_size=4, token_budget=16, policy="fair-lpm")
    sent = [submit(harness, tokens(seed + 1, 2, 3, 4, 5), gen(16, temperature=1.0), seed=seed) for seed in range(4)]
    counts: dict[Row, int] = {}
    while harness.core.has_work:
        senior = harness.core.scheduler.most_senior
        assert senior is not None
        before = senior.num_preemptions
        harness.core.step()
        harness.core.check_integrity()
        assert senior.num_preemptions == before, "the most senior row is never preempted"
        counts[senior] = senior.num_preemptions
    stats = harness.core.stats()
    assert sum(counts.values()) == stats["num_preemptions"] > 0
    assert stats["num_preempted_tokens"] > 0
    for seed, each in enumerate(sent):
        assert each.token_ids() == oracle([seed + 1, 2, 3, 4, 5], gen(16, temperature=1.0).params, seed=seed)


def test_where_only_one_row_can_go_on_it_is_the_one_whose_turn_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    options = SchedulerOptions(max_running_rows=1, policy="fair-lpm", quantum=1)
    harness = Harness(options=options)
    submit(harness, tokens(*range(100, 140)), gen(1), tenant="red")
    harness.run()
    older = submit(harness, tokens(1, 2, 3), gen(4), tenant="red")  # its tenant has had its share
    younger = submit(harness, tokens(4, 5, 6), gen(4), tenant="blue")
    scheduler, reserve = harness.core.scheduler, harness.memory.reserve

    def reserve_alone(branch: Branch, num_cells: int) -> bool:
        """There is no memory, until one row has given up what it shares."""
        return any(row.is_private for row in scheduler.running) and reserve(branch, num_cells)

    monkeypatch.setattr(harness.memory, "reserve", reserve_alone)
    harness.core.step()
    (alone,) = scheduler.running
    assert alone.is_private
    assert alone.ticket.terms.tenant == "blue"
    harness.run()
    assert (older.error, younger.error) == (None, None)


def test_a_new_row_waits_for_memory_instead_of_taking_it_from_younger_ones_who_run() -> None:
    harness = Harness(num_pages=10, page_size=4, token_budget=64, policy="lpm")
    prefix = list(range(100, 116))
    harness.answer([tokens(*prefix), gen(1)])
    first = submit(harness, tokens(1, 2, 3), gen(10))
    harness.core.step()
    without_match = submit(harness, tokens(*range(50, 70)), gen(2))
    younger = submit(harness, tokens(*prefix, 9), gen(6))
    harness.core.step()
    assert [row.start_len for row in harness.core.scheduler.running] == [3, 17]
    harness.run()
    assert [each.error for each in (first, without_match, younger)] == [None] * 3
    assert harness.core.scheduler.num_preemptions == 0


def test_with_priorities_the_higher_goes_first_and_takes_memory_from_the_lower() -> None:
    harness = Harness(num_pages=6, page_size=4, token_budget=64, policy="priority")
    low = submit(harness, tokens(*range(16)), gen(6))
    harness.core.step()
    high = submit(harness, tokens(*range(50, 64)), gen(6), priority=1)
    while high.ended is None:
        harness.core.step()
        harness.core.check_integrity()
    assert low.ended is None
    assert harness.core.scheduler.num_preemptions == 1
    harness.run()
    assert low.token_ids() == oracle(range(16), gen(6).params)


def test_rows_say_what_they_have_written() -> None:
    row = stub_row([1, 2, 3])
    row.branch.append([4])
    assert (row.start_len, row.num_written) == (3, 1)

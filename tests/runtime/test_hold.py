"""Holding: the pages of an idle branch stay for as long as was asked, unless nothing else is left."""

from dataclasses import dataclass

import pytest
from engine_harness import Harness, gen, oracle, tokens
from hypothesis import given, settings
from hypothesis import strategies as st

PROMPT = tuple(range(1, 14))


@dataclass
class FakeClock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def make(num_pages: int) -> tuple[Harness, FakeClock, int]:
    """A pool with an idle branch that holds 4 pages of 4 tokens."""
    clock = FakeClock()
    harness = Harness(num_pages=num_pages, page_size=4, clock=clock)
    idle = harness.core.open_branch(1, "")
    harness.submit(idle, [tokens(*PROMPT), gen(3)])
    harness.run()
    assert num_pages - harness.pool.num_free_pages == 4
    return harness, clock, idle


def crowd(harness: Harness) -> None:
    """Two others, who fill 6 pages each at their longest, and go in one after the other if need be."""
    others = [harness.submit(harness.core.open_branch(seed, ""), [tokens(seed, 50), gen(20)]) for seed in (30, 31)]
    harness.run()
    assert [each.error for each in others] == [None, None]


def num_computed_to_go_on(harness: Harness, idle: int) -> int:
    before = harness.core.num_computed_tokens
    listening = harness.submit(idle, [gen(2, name="more")])
    harness.run()
    expected = oracle(PROMPT, gen(5).params, seed=1)
    assert listening.token_ids("more") == expected[3:]
    return harness.core.num_computed_tokens - before


def test_whoever_is_held_computes_nothing_again() -> None:
    harness, _, idle = make(num_pages=12)
    harness.core.hold_branch(idle, 5.0)
    crowd(harness)
    assert harness.core.scheduler.num_preemptions > 0, "the others have had to make room for each other"
    assert num_computed_to_go_on(harness, idle) == 2


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_whoever_is_not_held_any_more_makes_room(seconds: float | None) -> None:
    harness, clock, idle = make(num_pages=12)
    if seconds is not None:
        harness.core.hold_branch(idle, seconds)
        clock.now += seconds
    crowd(harness)
    assert num_computed_to_go_on(harness, idle) > 2


def test_a_row_that_runs_alone_takes_even_what_is_held() -> None:
    harness, _, idle = make(num_pages=8)
    harness.core.hold_branch(idle, 5.0)
    other = harness.submit(harness.core.open_branch(2, ""), [tokens(60, 61), gen(28)])
    harness.run()
    assert other.token_ids() == oracle([60, 61], gen(28).params, seed=2)
    assert num_computed_to_go_on(harness, idle) > 2


def test_a_row_that_runs_alone_takes_no_more_than_it_needs() -> None:
    harness, _, idle = make(num_pages=12)
    second = harness.core.open_branch(2, "")
    harness.submit(second, [tokens(*range(20, 33)), gen(3)])
    harness.run()
    for branch_id in (idle, second):
        harness.core.hold_branch(branch_id, 5.0)
    other = harness.submit(harness.core.open_branch(3, ""), [tokens(60, 61), gen(24)])
    harness.run()
    assert other.error is None
    held = [bool(branch.page_table) for branch in harness.core.branches.all()][:2]
    assert sorted(held) == [False, True]


def test_a_hold_ends_with_the_next_operation() -> None:
    harness, _, idle = make(num_pages=12)
    harness.core.hold_branch(idle, 5.0)
    harness.submit(idle, [tokens(7)])
    assert not any(branch.is_held(0.0) for branch in harness.core.branches.all())


def test_a_flush_leaves_what_is_held() -> None:
    harness, _, idle = make(num_pages=12)
    harness.core.hold_branch(idle, 5.0)
    harness.core.flush_cache()
    assert harness.pool.num_free_pages == 8
    harness.core.close_branch(idle)
    harness.check_all_returned()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_holds_change_no_answer_and_nobody_waits_for_ever(data: st.DataObject) -> None:
    clock = FakeClock()
    harness = Harness(
        num_pages=data.draw(st.integers(7, 14), "num_pages"),
        page_size=4,
        token_budget=data.draw(st.integers(2, 24), "token_budget"),
        clock=clock,
    )
    prompts = data.draw(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=12), min_size=1, max_size=5))
    branch_ids = [harness.core.open_branch(seed, "") for seed in range(len(prompts))]
    first = []
    for branch_id, prompt in zip(branch_ids, prompts, strict=True):
        first.append(harness.submit(branch_id, [tokens(*prompt), gen(4)]))
        for _ in range(data.draw(st.integers(0, 6), "steps")):
            harness.core.step()
            harness.core.check_integrity()
        harness.core.hold_branch(data.draw(st.sampled_from(branch_ids), "held"), data.draw(st.floats(0, 3), "seconds"))
        clock.now += 1.0
    harness.run()
    second = [harness.submit(branch_id, [gen(4, name="y")]) for branch_id in branch_ids]
    harness.run()
    for seed, prompt in enumerate(prompts):
        assert first[seed].token_ids() + second[seed].token_ids("y") == oracle(prompt, gen(8).params, seed=seed)
        harness.core.close_branch(branch_ids[seed])
    harness.check_all_returned()

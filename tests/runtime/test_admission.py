"""Who may wait, for how long, and what whoever may not is told; who has begun goes on."""

from dataclasses import dataclass
from typing import Any

import pytest
from engine_harness import Harness, Listening, PlanListening, gen, oracle, tokens

from palmette.lang.errors import InvalidArgument
from palmette.lang.events import Forked
from palmette.lang.ir import Fork, Select
from palmette.lang.plan import Branching, Plan, PlanBranch, Ref, Template
from palmette.lang.terms import Terms
from palmette.runtime.config import EngineConfig, SchedulerOptions
from palmette.runtime.errors import DeadlineExceeded, DependencyFailed, InvalidOption, QueueFull
from palmette.runtime.local.embedded import Engine
from palmette.runtime.plans.plan_request import PlanRequest
from palmette.runtime.request import Request
from palmette.runtime.scheduling.admission import Admission


@dataclass
class FakeClock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def limited(max_running_rows: int = 1, clock: FakeClock | None = None, **limits: int) -> Harness:
    """An engine with room for one row, and a queue behind it."""
    harness = Harness(max_running_rows=max_running_rows, clock=clock or FakeClock())
    scheduler = harness.core.scheduler
    scheduler.admission = Admission(SchedulerOptions(**limits))  # type: ignore[arg-type]  # limits are integers
    return harness


def submit(harness: Harness, *operations: Any, seed: int = 7, **terms: Any) -> Listening:
    listening = Listening()
    branch_id = harness.core.open_branch(seed, "")
    listening.request = Request(branch_id, operations, listening, terms=Terms(**terms))
    harness.core.submit(listening.request)
    return listening


# --- the queue


def test_one_request_too_many_is_refused_with_both_numbers_and_the_others_go_on() -> None:
    harness = limited(max_queued_requests=2)
    running = submit(harness, tokens(1, 2), gen(4))
    harness.core.step()  # it runs, so it does not count any more
    waiting = [submit(harness, tokens(3, 4, seed), gen(2), seed=seed) for seed in range(2)]
    refused = submit(harness, tokens(5, 6), gen(2))
    error = refused.error
    assert isinstance(error, QueueFull)
    assert (error.num_requests, error.max_requests) == (2, 2)
    assert "2 requests wait (max_queued_requests=2)" in str(error)
    assert harness.core.stats()["num_refused_requests"] == 1
    assert harness.core.stats()["num_queued_requests"] == 2
    harness.run()
    assert running.token_ids() == oracle([1, 2], gen(4).params)
    assert [each.token_ids() for each in waiting] == [oracle([3, 4, i], gen(2).params, seed=i) for i in range(2)]
    assert harness.core.stats()["num_queued_requests"] == harness.core.stats()["num_queued_tokens"] == 0
    assert submit(harness, tokens(5, 6), gen(2)).ended is None, "there is room again"


def test_text_is_counted_and_a_request_that_waits_alone_is_never_refused() -> None:
    harness = limited(max_queued_tokens=10)
    submit(harness, tokens(1, 2), gen(4))
    harness.core.step()
    long = submit(harness, tokens(*range(20)), gen(2))
    assert long.ended is None
    error = submit(harness, tokens(1), gen(2)).error
    assert isinstance(error, QueueFull)
    assert (error.num_tokens, error.max_tokens) == (21, 10)
    harness.core.cancel(long.request)
    assert submit(harness, *[tokens(*range(9)), gen(2)]).ended is None
    assert submit(harness, tokens(1), gen(2)).ended is None
    assert isinstance(submit(harness, tokens(1), gen(2)).error, QueueFull)
    harness.run()


def test_what_has_begun_is_not_refused() -> None:
    harness = limited(max_queued_requests=1)
    parent = harness.core.open_branch(7, "")
    forked = harness.submit(parent, [tokens(1, 2, 3), Fork(3)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    children = [harness.submit(child, [gen(3)]) for child in event.branch_ids]
    again = harness.submit(parent, [tokens(4), gen(2)])
    harness.run()
    assert [each.error for each in [*children, again]] == [None] * 4


def test_a_program_counts_once_and_is_refused_as_a_whole_or_not_at_all() -> None:
    harness = limited(max_queued_requests=1)
    two_roots = Plan("p", (), tuple(PlanBranch(f"b{i}", None, (tokens(i + 1), gen(3))) for i in range(2)))
    submit(harness, tokens(9, 9), gen(2))
    harness.core.step()
    accepted = harness.start_plan(two_roots)
    refused = harness.start_plan(two_roots)
    assert {type(error) for error in refused.errors.values()} == {QueueFull}
    harness.run()
    assert accepted.errors == {}


def test_a_refused_selection_leaves_nothing_behind() -> None:
    harness = limited(max_queued_requests=1)
    submit(harness, tokens(1, 2), gen(4))
    harness.core.step()
    submit(harness, tokens(1, 3), gen(2))
    select = Select("x", (" yes", " no"), "unconditional_likelihood_normalized")
    assert isinstance(submit(harness, tokens(1), select).error, QueueFull)
    assert not harness.core.branches._helpers
    harness.run()


# --- time


def test_a_request_that_is_not_begun_in_time_is_told_and_the_others_go_on() -> None:
    clock = FakeClock()
    harness = limited(clock=clock)
    running = submit(harness, tokens(1, 2), gen(6), queue_timeout_s=1.0)
    harness.core.step()
    late = submit(harness, tokens(1, 3), gen(2), queue_timeout_s=1.0)
    patient = submit(harness, tokens(1, 4), gen(2), queue_timeout_s=9.0)
    clock.now = 1.5
    harness.core.step()
    error = late.error
    assert isinstance(error, DeadlineExceeded)
    assert (error.limit_name, error.limit_s, error.waited_s) == ("queue_timeout_s", 1.0, 1.5)
    assert "queue_timeout_s is 1" in str(error)
    harness.run()
    assert running.token_ids() == oracle([1, 2], gen(6).params)
    assert patient.token_ids() == oracle([1, 4], gen(2).params)
    assert harness.core.stats()["num_expired_requests"] == 1


def test_a_request_that_has_not_ended_in_time_is_stopped_where_it_is() -> None:
    clock = FakeClock()
    harness = limited(max_running_rows=8, clock=clock)
    slow = submit(harness, tokens(1, 2), gen(50, n=2), timeout_s=2.0)
    other = submit(harness, tokens(1, 3), gen(6))
    for _ in range(4):
        clock.now += 0.5
        harness.core.step()
        harness.core.check_integrity()
    assert isinstance(slow.error, DeadlineExceeded)
    assert slow.error.limit_name == "timeout_s"
    assert any(event for event in slow.events), "what it had written until then was told"
    harness.run()
    assert other.token_ids() == oracle([1, 3], gen(6).params)


def test_a_deadline_that_is_kept_does_nothing() -> None:
    clock = FakeClock()
    harness = limited(clock=clock)
    quick = submit(harness, tokens(1, 2), gen(2), queue_timeout_s=1.0, timeout_s=5.0)
    harness.run()
    clock.now = 10.0
    harness.core.step()
    assert quick.error is None
    assert harness.core.stats()["num_expired_requests"] == 0


def test_a_program_that_runs_out_of_time_ends_as_a_whole() -> None:
    clock = FakeClock()
    harness = limited(max_running_rows=8, clock=clock)
    plan = Plan(
        "p",
        (),
        (
            PlanBranch("root", None, (tokens(1, 2), Branching((1, 2)))),
            PlanBranch("slow", 0, (gen(40), gen(2, name="never"))),
            PlanBranch("after", 0, (gen(2), Template((Ref(1, 0),)), gen(1))),
        ),
    )
    listening = PlanListening(plan)
    listening.program = harness.core.start_plan(PlanRequest(plan, {}, listening, terms=Terms(timeout_s=3.0)))
    for _ in range(6):
        harness.core.step()
    assert not listening.is_done
    clock.now = 3.0
    harness.run()
    assert isinstance(listening.errors[1], DeadlineExceeded)
    assert isinstance(listening.errors[2], DependencyFailed)
    assert harness.core.stats()["num_expired_requests"] == 1


# --- what callers give


@pytest.mark.parametrize(
    "terms",
    [
        {"priority": 1.5},
        {"priority": True},
        {"tenant": 3},
        {"timeout_s": 0},
        {"timeout_s": "1"},
        {"queue_timeout_s": -1},
        {"queue_timeout_s": float("nan")},
    ],
)
def test_terms_that_cannot_be_are_refused(terms: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(terms))):
        Terms(**terms)  # type: ignore[arg-type]  # that is the point


def test_options_of_the_queue() -> None:
    options = EngineConfig.from_options(max_queued_requests=3, max_queued_tokens=100, schedule_policy="dfs").scheduler
    assert (options.max_queued_requests, options.max_queued_tokens, options.policy) == (3, 100, "dfs")
    assert EngineConfig.from_options().scheduler == SchedulerOptions()
    assert EngineConfig.from_options(radix_eviction_policy="lfu").cache.eviction_policy == "lfu"
    for wrong in ({"max_queued_requests": 0}, {"max_queued_tokens": 1.5}, {"radix_eviction_policy": "fifo"}):
        with pytest.raises(InvalidOption, match=next(iter(wrong))):
            EngineConfig.from_options(**wrong)  # type: ignore[arg-type]


def test_the_face_takes_terms_for_all_or_for_each_prompt() -> None:
    params = {"max_new_tokens": 3, "ignore_eos": True, "temperature": 0.0}
    prompts = ["One", "Two", "Three", "Four"]
    with Engine(max_running_requests=1, max_queued_requests=3, schedule_policy="priority") as engine:
        plain = [engine.generate(each, params) for each in prompts[:3]]
        outputs = engine.generate(
            prompts[:3],
            params,
            priority=[0, 5, 1],
            tenant=["a", "b", "a"],
            timeout_s=60.0,
            queue_timeout_s=[None, 9, 9],
        )
        assert [each["text"] for each in outputs] == [each["text"] for each in plain]  # type: ignore[index, call-overload]
        with pytest.raises(DeadlineExceeded):
            engine.generate("One", {**params, "max_new_tokens": 200}, timeout_s=1e-6)
        with pytest.raises(InvalidArgument, match="timeout_s") as refused:
            engine.generate(prompts[:2], params, timeout_s=[1.0, -1.0])
        assert refused.value.__notes__ == ["in prompt 1 of the list"]
        with pytest.raises(QueueFull):
            engine.generate(prompts * 4, params)
        assert engine.stats()["num_refused_requests"] > 0
        assert engine.generate("One", params)["text"] == plain[0]["text"]  # type: ignore[call-overload, index]
        engine.check_integrity()

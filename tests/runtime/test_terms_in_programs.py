"""The terms of a program on an engine: its time is one, its priority is obeyed, and what it ends gives all back."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import palmette as pm
from palmette.grammar.spec import Regex
from palmette.lang.events import BranchEnded, ValueReady
from palmette.lang.ir import Gen, Text
from palmette.lang.plan import Plan, PlanBranch
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.engine import EngineCore
from palmette.runtime.errors import DeadlineExceeded, QueueFull
from palmette.runtime.local.embedded import Engine
from palmette.runtime.request import Request

SAMPLING: dict[str, Any] = {"max_new_tokens": 4, "ignore_eos": True, "temperature": 0.0}


@dataclass
class FakeClock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def engine_at(clock: FakeClock | None = None, **options: Any) -> Iterator[Engine]:
    """An engine, on the clock if there is one, that has all its pages back in the end."""
    with Engine(max_total_tokens=8192, **options) as engine:
        core = engine._thread._core
        if clock is not None:
            core._clock = core.branches._clock = core.scheduler._clock = clock
        yield engine
        engine.check_integrity()
        engine.flush_cache()
        stats = engine.stats()
        assert stats["num_free_pages"] == stats["num_pages"]
        assert stats["num_queued_requests"] == stats["num_running_rows"] == 0
        assert list(core.branches.all()) == [], "each branch was closed"


class Arrivals:
    """Holds the engine between two of its steps until `num_expected` requests have come; commands run meanwhile."""

    def __init__(self, engine: Engine, num_expected: int) -> None:
        self._thread = engine._thread
        self._num_expected = num_expected
        self._num_arrived = 0
        self._has_changed = threading.Condition()
        self._thread.tell(self._hold)

    def wait_for(self, num_requests: int) -> None:
        """Until so many have come."""
        with self._has_changed:
            self._has_changed.wait_for(lambda: self._num_arrived >= num_requests)

    def let_go(self) -> None:
        """The engine goes on, whoever has come."""
        self._num_expected = 0
        self._thread.tell(lambda core: None)

    def _hold(self, core: EngineCore) -> None:
        submit = core.submit

        def count(request: Request) -> None:
            try:
                submit(request)
            finally:
                with self._has_changed:
                    self._num_arrived += 1
                    self._has_changed.notify_all()

        core.submit = count  # type: ignore[method-assign]
        while self._num_arrived < self._num_expected:
            with self._thread._wakeup:
                self._thread._wakeup.wait_for(lambda: self._thread._inbox)
            self._thread._run_commands()
        core.submit = submit  # type: ignore[method-assign]


@contextmanager
def arriving_together(engine: Engine, num_requests: int) -> Iterator[Arrivals]:
    """What is begun inside arrives between two steps of the engine."""
    arrivals = Arrivals(engine, num_requests)
    try:
        yield arrivals
        arrivals.wait_for(num_requests)
    finally:
        arrivals.let_go()


# --- time

CLOCK = FakeClock()


def three_turns(s):
    for name in ("first", "second", "third"):
        s += f"Once upon a {name}" + pm.gen(name)
        assert s[name]
        CLOCK.now += 20.0


async def three_turns_async(s):
    for name in ("first", "second", "third"):
        s += f"Once upon a {name}" + pm.gen(name)
        assert await s.get(name)
        CLOCK.now += 20.0


def three_forks(s):
    s += "Once upon a"
    for name in ("first", "second", "third"):
        branches = s.fork(2)
        branches += f" {name}" + pm.gen(name)
        assert [branch[name] for branch in branches]
        CLOCK.now += 20.0


PROGRAMS = {
    "planned": pm.function(three_turns),
    "eager": pm.function(three_turns, tracing="never"),  # type: ignore[call-overload]
    "async": pm.function(three_turns_async),
    "forked": pm.function(three_forks),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("is_streaming", [False, True])
def test_the_time_of_a_program_is_one_however_often_it_asks(program: pm.Function, is_streaming: bool) -> None:
    with engine_at(CLOCK) as engine:
        options = {"backend": engine, "stream": is_streaming, **SAMPLING}
        with pytest.raises(pm.ProgramTimeout) as caught:
            program.run(timeout_s=30.0, queue_timeout_s=1.0, **options).sync()
        error = caught.value
        assert isinstance(error.cause, DeadlineExceeded)
        assert (error.cause.limit_name, error.cause.limit_s, error.cause.waited_s) == ("timeout_s", 30.0, 40.0)
        assert error.program == program.name
        # Streaming, what a branch appends is submitted piece by piece: it may be its text that came too late.
        assert error.variable == "third" or (is_streaming and error.operation == "text")
        assert error.source is not None
        assert error.source.startswith(__file__)
        assert engine.stats()["num_expired_requests"] <= 1
        program.run(timeout_s=60.5, queue_timeout_s=1.0, **options).sync()  # it may think for a minute
        program.run(**options).sync()


def test_what_it_had_made_until_then_can_be_read() -> None:
    program = PROGRAMS["planned"]
    with engine_at(CLOCK) as engine:
        state = program.run(timeout_s=30.0, backend=engine, stream=True, **SAMPLING)
        with pytest.raises(pm.ProgramTimeout):
            state.sync()
        branch = state.trace().branches[0]
        made = [each.variable for each in branch.operations if each.samples]
        assert made == ["first", "second"]


@pm.function(tracing="always")
def long_story(s):
    s += "Once" + pm.gen("opening", max_tokens=200)
    branches = s.fork(3)
    branches += pm.gen("way", max_tokens=200)
    s += f"{s['opening']}" + pm.gen("end", max_tokens=200)


def test_a_plan_that_runs_out_of_time_gives_all_back() -> None:
    with engine_at() as engine:
        with pytest.raises(pm.ProgramTimeout, match="timeout_s is 1e-06"):
            long_story.run(backend=engine, timeout_s=1e-6, ignore_eos=True)
        with pytest.raises(TimeoutError):
            asyncio.run(long_story.arun(backend=engine, timeout_s=1e-6, ignore_eos=True))
        with pytest.raises(pm.ProgramTimeout, match="item 0 of the batch"):
            long_story.run_batch([()], backend=engine, timeout_s=1e-6, ignore_eos=True)
        kept = long_story.run_batch([()] * 3, backend=engine, timeout_s=1e-6, on_error="return", ignore_eos=True)
        assert [type(each) for each in kept] == [pm.ProgramTimeout] * 3
        assert len(long_story.run(backend=engine, timeout_s=600.0, max_new_tokens=4)["opening"]) > 0


def test_a_program_that_cannot_begin_in_time_is_told_so_and_the_others_go_on() -> None:
    @pm.function
    def story(s):
        s += "Once" + pm.gen("text")

    with engine_at(max_running_requests=1) as engine:
        with arriving_together(engine, 3):
            running = story.run(stream=True, backend=engine, max_new_tokens=20, priority=1)
            late = story.run(stream=True, backend=engine, queue_timeout_s=1e-6, **SAMPLING)
            patient = story.run(stream=True, backend=engine, **SAMPLING)
        with pytest.raises(pm.ProgramTimeout, match="had not begun") as caught:
            late.sync()
        assert isinstance(caught.value.cause, DeadlineExceeded)
        assert caught.value.cause.limit_name == "queue_timeout_s"
        running.sync()
        patient.sync()


def test_a_constraint_is_compiled_in_the_programs_time() -> None:
    clock = FakeClock()
    plan = Plan("p", (), (PlanBranch("root", None, (Text("Once"), Gen("x", SamplingParams(), Regex("[a-f]{3}")))),))
    with engine_at(clock) as engine:
        link = engine._backend._link
        compile_now = link._compile

        def compile_slowly(constraints: Any) -> Any:
            engine._thread.ask(lambda core: None).result()  # the plan has arrived
            clock.now += 5.0
            return compile_now(constraints)

        link._compile = compile_slowly  # type: ignore[method-assign]

        async def ended() -> list[BranchEnded]:
            plan_run = engine.run_plan(plan, {}, terms=pm.Terms(timeout_s=3.0))
            heard = [item async for _, item in plan_run.events()]
            for branch in plan_run.branches.values():
                await branch.close()
            assert not any(isinstance(item, ValueReady) for item in heard)
            return [item for item in heard if isinstance(item, BranchEnded)]

        (end,) = asyncio.run(ended())
        assert isinstance(end.error, DeadlineExceeded)
        assert end.error.waited_s == 5.0


# --- priority and place


def ends(state: pm.ProgramState) -> list[float]:
    """When each generation of a program ended, by the engine's clock."""
    return [each.timing.ended for each in state.trace().branches[0].operations if each.samples and each.timing]


@pytest.mark.parametrize("tracing", ["never", "always"])
def test_priority_is_obeyed(tracing: Any) -> None:
    @pm.function(tracing=tracing)
    def story(s, word):
        s += word + pm.gen("text")

    priorities = [0, 7, -1, 3]
    with engine_at(max_running_requests=1, schedule_policy="priority") as engine:
        with arriving_together(engine, len(priorities)):
            states = [
                story.run(f"Once {priority}", stream=True, backend=engine, priority=priority, **SAMPLING)
                for priority in priorities
            ]
        ended = {priority: ends(state) for priority, state in zip(priorities, states, strict=True) if state.text()}
        assert sorted(ended, key=lambda priority: ended[priority]) == [7, 3, 0, -1]


def test_a_program_that_has_begun_keeps_its_place_at_its_next_turn() -> None:
    @pm.function
    def turns(s, turn):
        s += "Once" + pm.gen("first")
        turn.first_is_there.set()
        assert s["first"]
        turn.may_go_on.wait()
        s += " and then" + pm.gen("second")

    @dataclass
    class Turn:
        first_is_there: threading.Event
        may_go_on: threading.Event

    turn = Turn(threading.Event(), threading.Event())
    with engine_at(max_running_requests=1, schedule_policy="fcfs") as engine:
        older = turns.run(turn, stream=True, backend=engine, **SAMPLING)
        turn.first_is_there.wait()
        assert older["first"] is not None
        with arriving_together(engine, 2) as arrivals:
            younger = pm.Function(one_turn).run(stream=True, backend=engine, **SAMPLING)
            arrivals.wait_for(1)
            turn.may_go_on.set()
        older.sync()
        younger.sync()
        assert ends(older)[1] < ends(younger)[0]


def one_turn(s):
    s += "Never" + pm.gen("text")


# --- the queue


def test_a_program_that_the_queue_has_no_room_for_is_refused_and_may_come_again() -> None:
    story = pm.Function(one_turn)
    with engine_at(max_running_requests=1, max_queued_requests=2) as engine:
        with arriving_together(engine, 5):
            states = [story.run(stream=True, backend=engine, **SAMPLING) for _ in range(5)]
        errors = []
        for state in states:
            try:
                state.sync()
            except pm.ProgramRefused as error:
                errors.append(error)
        assert len(errors) == 3
        assert all(isinstance(error.cause, QueueFull) for error in errors)
        assert "the queue is full: 2 requests wait (max_queued_requests=2)" in str(errors[0])
        assert story.run(backend=engine, **SAMPLING)["text"] == next(s for s in states if s.error() is None)["text"]

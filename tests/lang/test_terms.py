"""The terms of a run: every way of running hands them to the backend, and what they end says so."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang.backend import Branch, OutOfTime, PlanBackend, QueueRefusal
from palmette.lang.plan import Plan
from palmette.runtime.errors import DeadlineExceeded, QueueFull, StepFailed

GIVEN: dict[str, Any] = {"priority": 5, "tenant": "acme", "queue_timeout_s": 2.0, "timeout_s": 30.0}
TERMS = pm.Terms(**GIVEN)


@pm.function
def ask(s, question):
    s += question + pm.gen("answer")
    return s["answer"]


@pm.function
async def ask_async(s, question):
    s += question + pm.gen("answer")
    return await s.get("answer")


@pm.function(tracing="always")
def ask_traced(s, question):
    s += question + pm.gen("answer")


@pm.function(tracing="never")
def ask_eagerly(s, question):
    s += question + pm.gen("answer")
    s += s["answer"] + pm.gen("again")


PROGRAMS = [ask, ask_async, ask_traced, ask_eagerly]
ITEMS = [("a",), {"question": "b"}, ["c"]]
WAYS: dict[str, tuple[Callable[[pm.Function, dict[str, Any]], Any], int]] = {
    "run": (lambda program, options: program.run("a", **options), 1),
    "call": (lambda program, options: program("a", **options), 1),
    "bound": (lambda program, options: program.bind(question="a").run(**options), 1),
    "arun": (lambda program, options: asyncio.run(program.arun("a", **options)), 1),
    "stream": (lambda program, options: program.run("a", stream=True, **options).text(), 1),
    "run_batch": (lambda program, options: program.run_batch(ITEMS, **options), 3),
    "generator": (lambda program, options: list(program.run_batch(ITEMS, generator_style=True, **options)), 3),
    "arun_batch": (lambda program, options: asyncio.run(program.arun_batch(ITEMS, **options)), 3),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_running_hands_them_on(backend: ScriptedBackend, program: pm.Function, way: str) -> None:
    run, num_runs = WAYS[way]
    run(program, GIVEN)
    assert backend.terms == [TERMS] * num_runs
    run(program, {})
    run(program, dict.fromkeys(GIVEN))
    assert backend.terms[num_runs:] == [pm.Terms()] * num_runs * 2


def test_an_async_stream_hands_them_on(backend: ScriptedBackend) -> None:
    async def follow() -> list[str]:
        state = await ask_async.arun("a", stream=True, **GIVEN)
        return [piece async for piece in state.text_async_iter()]

    assert asyncio.run(follow())
    assert backend.terms == [TERMS]


@dataclass
class NoPlanToday(ScriptedBackend):
    """Hears of plans, and takes none."""

    terms_of_plans: list[pm.Terms] = field(default_factory=list)

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: pm.Terms,
        is_streaming: bool = False,
    ) -> Any:
        self.terms_of_plans.append(terms)
        raise ScriptedFailure("no plans today")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_plans_come_with_them(program: pm.Function) -> None:
    backend = NoPlanToday()
    assert isinstance(backend, PlanBackend)
    with pytest.raises(pm.ProgramError, match="no plans today"):
        program.run("a", backend=backend, **GIVEN)
    assert backend.terms_of_plans == [TERMS]


def test_the_agent_hands_them_on(backend: ScriptedBackend) -> None:
    @pm.tool
    def look() -> str:
        """Look."""
        return "seen"

    backend.answers = {"thought": "It is so."}
    assert pm.agent([look]).run("Is it so?", **GIVEN).answer == "It is so."
    assert backend.terms == [TERMS]


# --- programs inside programs


def test_a_program_inside_runs_on_what_is_left(backend: ScriptedBackend) -> None:
    @pm.function
    def outer(s):
        first = ask("first").ret_value  # the outer one has asked for nothing yet: all of it is left
        s += first + pm.gen("own")
        assert s["own"]
        assert ask("then")["answer"]
        ask.run("on its own terms", tenant="other", queue_timeout_s=1.0, timeout_s=7.0)

    outer.run(**GIVEN)
    first, own, then, others = backend.terms
    assert (first, own) == (TERMS, TERMS)
    assert (then.priority, then.tenant, then.queue_timeout_s) == (5, "acme", None)
    assert then.timeout_s is not None
    assert 0 < then.timeout_s < 30.0
    assert others == pm.Terms(5, "other", 1.0, 7.0)


def test_what_is_left_of_terms() -> None:
    assert TERMS.after(12.0) == pm.Terms(5, "acme", None, 18.0)
    assert pm.Terms(priority=1).after(1e6) == pm.Terms(priority=1)
    left = TERMS.after(31.0).timeout_s
    assert left is not None
    assert 0 < left < 0.01, "still terms that a backend takes, and soon passed"


def test_terms_have_no_place_on_the_state_of_another(backend: ScriptedBackend) -> None:
    @pm.function
    def outer(s):
        ask(s, "inside", tenant="acme")

    with pytest.raises(pm.InvalidArgument, match="tenant: expected nothing where 'ask' runs on the state of another"):
        outer.run()


def test_a_parameter_of_the_same_name_is_the_programs(backend: ScriptedBackend) -> None:
    @pm.function
    def letter(s, tenant):
        s += f"Dear {tenant}, " + pm.gen("body")

    assert letter.run(tenant="Ann", priority=2).text().startswith("Dear Ann")
    letter.bind(tenant="Ann").run(tenant="acme")
    assert backend.terms == [pm.Terms(priority=2), pm.Terms(tenant="acme")]


# --- values that cannot be

WRONG: list[tuple[dict[str, object], str]] = [
    ({"priority": 1.5}, r"priority: expected an integer, got 1\.5"),
    ({"priority": True}, "priority: expected an integer, got True"),
    ({"priority": "high"}, "priority: expected an integer, got 'high'"),
    ({"tenant": 7}, "tenant: expected a string, got 7"),
    ({"timeout_s": -1}, "timeout_s: expected a number of seconds > 0, or None for no limit, got -1"),
    ({"timeout_s": 0}, "timeout_s: expected a number of seconds > 0, or None for no limit, got 0"),
    ({"timeout_s": "30"}, "timeout_s: expected a number of seconds > 0, or None for no limit, got '30'"),
    ({"queue_timeout_s": float("nan")}, "queue_timeout_s: expected a number of seconds > 0"),
    ({"queue_timeout_s": True}, "queue_timeout_s: expected a number of seconds > 0"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
@pytest.mark.parametrize("way", WAYS)
def test_wrong_ones_raise_before_anything_runs(
    backend: ScriptedBackend, options: dict[str, Any], message: str, way: str
) -> None:
    with pytest.raises(pm.InvalidArgument, match=f"^{message}"):
        WAYS[way][0](ask, options)
    with pytest.raises(pm.InvalidArgument, match=f"^{message}"):
        pm.Terms(**options)
    assert backend.terms == []


# --- what they end

LATE = DeadlineExceeded("timeout_s", 30.0, 30.5)
FULL = QueueFull(8, 8, 100, None)


def test_the_engines_errors_are_what_the_port_asks_for() -> None:
    assert isinstance(LATE, OutOfTime)
    assert not isinstance(LATE, QueueRefusal)
    assert isinstance(FULL, QueueRefusal)
    assert not isinstance(FULL, OutOfTime)


@pytest.mark.parametrize(
    ("cause", "kind"), [(LATE, pm.ProgramTimeout), (FULL, pm.ProgramRefused), (StepFailed("no"), pm.ProgramError)]
)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_errors_are_of_their_kind(
    backend: ScriptedBackend, cause: Exception, kind: type[pm.ProgramError], program: pm.Function
) -> None:
    backend.open_failure = cause
    with pytest.raises(pm.ProgramError) as caught:
        program.run("a")
    assert type(caught.value) is kind
    assert (caught.value.program, caught.value.cause, caught.value.__cause__) == (program.name, cause, cause)
    with pytest.raises(pm.ProgramError) as caught:
        program.run_batch(ITEMS)
    assert type(caught.value) is kind
    assert caught.value.batch_index is not None
    kept = program.run_batch(ITEMS, on_error="return")
    assert [(type(each), each.batch_index) for each in kept] == [(kind, index) for index in range(3)]


def test_a_timeout_names_the_operation_and_the_line_and_is_a_timeout_error(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += "a" + pm.gen("slow")
        assert s["slow"]

    backend.failures = {"slow": LATE}
    with pytest.raises(TimeoutError) as caught:
        program.run()
    error = caught.value
    assert isinstance(error, pm.ProgramTimeout)
    assert (error.program, error.branch, error.variable) == ("program", "main", "slow")
    assert error.source is not None
    assert error.source.startswith(__file__)
    assert isinstance(error.cause, DeadlineExceeded)
    assert (error.cause.limit_name, error.cause.limit_s, error.cause.waited_s) == ("timeout_s", 30.0, 30.5)
    assert f"{error.source}: DeadlineExceeded: the request had not ended 30.500 s after its arrival" in str(error)


@pytest.mark.parametrize("read", [0, 1])
def test_a_branch_that_was_told_by_its_sibling_says_the_same(backend: ScriptedBackend, read: int) -> None:
    @pm.function
    def program(s):
        s += "a"
        branches = s.fork(2)
        branches[0] += pm.gen("slow")
        branches[1] += pm.gen("stuck")
        return branches[read].get_var("slow" if read == 0 else "stuck")

    backend.failures, backend.stuck = {"slow": LATE}, frozenset({"stuck"})
    with pytest.raises(pm.ProgramTimeout):
        program.run()


def test_a_program_may_go_on_after_one_inside_ran_out_of_time(backend: ScriptedBackend) -> None:
    @pm.function
    def outer(s):
        try:
            s += ask("quick?")["answer"]
        except pm.ProgramTimeout:
            s += "no time"

    backend.failures = {"answer": LATE}
    assert outer.run().text() == "no time"

"""On a backend that runs plans: one submission a program, the same answers and errors, and nothing left behind."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from scripted_backend import ScriptedBackend, ScriptedBranch, ScriptedFailure

import palmette as pm
from palmette.lang.backend import Branch, PlanBackend
from palmette.lang.default_backend import DEFAULT_BACKEND
from palmette.lang.events import BranchEnded, Event, Forked, SelectResult, ValueReady
from palmette.lang.ir import Gen, Join, Operation, Text
from palmette.lang.plan import Branching, Joining, Plan, Ref, Step, Template, refs_of
from palmette.lang.terms import DEFAULT_TERMS, Terms


class ClosableBranch(ScriptedBranch):
    """To close it, which may be done twice, ends what a plan does on it."""

    task: "asyncio.Task[None] | None" = None

    async def close(self) -> None:
        if self.num_closes == 0:
            if self.task is not None:
                self.task.cancel()
            await super().close()


@dataclass
class PlanningBackend(ScriptedBackend):
    """Runs plans step by step on scripted branches."""

    plans: list[Plan] = field(default_factory=list)
    given_roots: list[dict[int, Branch]] = field(default_factory=list)
    followed: list[bool] = field(default_factory=list)
    refusal: Exception | None = None
    """What `run_plan` raises."""
    forgets: str = ""
    """Of what the reports leave out: "ends", or "values"."""

    def new_branch(self, text: str, open_role: str | None) -> ScriptedBranch:
        branch = ClosableBranch(self, next(self._ids), text, open_role)
        self.branches[branch.branch_id] = branch
        return branch

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool = False,
    ) -> "ScriptedPlanRun":
        if self.refusal is not None:
            raise self.refusal
        assert plan.parameters == ()
        self.plans.append(plan)
        self.given_roots.append(dict(roots))
        self.followed.append(is_streaming)
        return ScriptedPlanRun(self, plan, roots, seed, cache_salt, terms)


class ScriptedPlanRun:
    """One task a branch; what they report goes through one queue."""

    def __init__(
        self,
        backend: PlanningBackend,
        plan: Plan,
        roots: Mapping[int, Branch],
        seed: int | None,
        cache_salt: str,
        terms: Terms,
    ) -> None:
        self.branches: dict[int, Any] = dict(roots)
        self._backend = backend
        self._plan = plan
        self._opening = (seed, cache_salt, terms)
        self._reports: asyncio.Queue[tuple[int, Event | BranchEnded]] = asyncio.Queue()
        self._values: dict[Ref, asyncio.Future[str]] = {}
        self._ended: dict[int, asyncio.Future[BaseException | None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def events(self) -> AsyncIterator[tuple[int, Event | BranchEnded]]:
        loop = asyncio.get_running_loop()
        self._values = {ref: loop.create_future() for ref, _ in self._plan.values()}
        self._ended = {index: loop.create_future() for index in range(len(self._plan.branches))}
        for index, branch in enumerate(self._plan.branches):
            if branch.parent is None:
                self._start(index)
        num_left = len(self._plan.branches)
        try:
            while num_left:
                index, event = await self._reports.get()
                num_left -= isinstance(event, BranchEnded)
                is_forgotten = {"ends": BranchEnded, "values": ValueReady}.get(self._backend.forgets)
                if is_forgotten is None or not isinstance(event, is_forgotten):
                    yield index, event
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, index: int) -> None:
        task = asyncio.get_running_loop().create_task(self._run(index))
        self._tasks.append(task)
        if index in self.branches:
            self.branches[index].task = task

    async def _run(self, index: int) -> None:
        number = None
        try:
            if index not in self.branches:
                seed, cache_salt, terms = self._opening
                branch = await self._backend.open_branch(seed=seed, cache_salt=cache_salt, terms=terms)
                self.branches[index] = branch
                branch.task = asyncio.current_task()  # type: ignore[attr-defined]  # it is a ClosableBranch
            for number, step in enumerate(self._plan.branches[index].steps):
                await self._step(index, number, step)
            self._end(index, BranchEnded())
        except asyncio.CancelledError:
            self._fail(index, number, ScriptedFailure("the branch was closed"))
            raise
        except Exception as error:  # noqa: BLE001 - it is reported
            self._fail(index, number, error)

    async def _step(self, index: int, number: int, step: Step) -> None:
        branch = self.branches[index]
        if isinstance(step, Branching):
            children = await branch.fork(len(step.children))
            for child, child_branch in zip(step.children, children, strict=True):
                self.branches[child] = child_branch
            self._report(index, Forked(number, tuple(each.branch_id for each in children)))
            for child in step.children:
                self._start(child)
            return
        operation: Operation
        if isinstance(step, Joining):
            if step.mode == "gather_variable":
                return
            for child in step.children:
                failure = await asyncio.shield(self._ended[child])
                if failure is not None:
                    raise failure
            operation = Join(tuple(self.branches[child].branch_id for child in step.children))
        elif isinstance(step, Template):
            texts = {ref: await asyncio.shield(self._values[ref]) for ref in refs_of(step)}
            parts = [texts[part] if isinstance(part, Ref) else str(part) for part in step.parts]
            operation = Text("".join(parts), step.has_special)
        else:
            operation = step
        async for event in branch.run([operation]):
            if hasattr(event, "operation_index"):
                event = msgspec.structs.replace(event, operation_index=number)
            self._report(index, event)

    def _report(self, index: int, event: Event | BranchEnded) -> None:
        if isinstance(event, ValueReady) and isinstance(event.result, SelectResult | tuple):
            result = event.result
            text = result.choice if isinstance(result, SelectResult) else result[0].text
            self._values[Ref(index, event.operation_index)].set_result(text)
        self._reports.put_nowait((index, event))

    def _end(self, index: int, ended: BranchEnded) -> None:
        if not self._ended[index].done():
            self._ended[index].set_result(ended.error)
            self._report(index, ended)

    def _fail(self, index: int, number: int | None, error: BaseException) -> None:
        self._end(index, BranchEnded(error, number))
        for step_number, step in enumerate(self._plan.branches[index].steps):
            if step_number >= (number or 0):
                future = self._values.get(Ref(index, step_number))
                if future is not None and not future.done():
                    future.set_exception(error)
                    future.exception()  # somebody may wait for it, or nobody
                if isinstance(step, Branching):
                    for child in step.children:
                        if child not in self.branches:
                            self._fail(child, None, error)


@pytest.fixture
def planning() -> Iterator[PlanningBackend]:
    backend = PlanningBackend()
    before = DEFAULT_BACKEND._backend
    DEFAULT_BACKEND.set(backend)
    yield backend
    DEFAULT_BACKEND.set(before)
    backend.check_all_closed()


def test_the_scripted_backend_is_a_plan_backend(planning: PlanningBackend) -> None:
    assert isinstance(planning, PlanBackend)
    assert not isinstance(ScriptedBackend(), PlanBackend)


# --- submissions


@pm.function
def tree(s):
    s.user("Name two.")
    s += pm.assistant(pm.gen("names"))
    with s.fork(2) as branches:
        for index, branch in enumerate(branches):
            branch += f"{index}: {s['names']} "
            branch += pm.gen("x")
            inner = branch.fork(2)
            inner += pm.gen("deep")
            inner.join("concate_and_append")
    s += f"{s['x'][0]} or {s['x'][1]}?"
    s += pm.select("best", ["first", "second"]) + pm.score("sure", " surely")


def test_a_program_is_one_submission(planning: PlanningBackend) -> None:
    state = tree.run(seed=5, cache_salt="me")
    (plan,) = planning.plans
    assert len(plan.branches) == 7
    assert planning.opened == [(5, "me")]
    assert planning.given_roots == [{}]
    plain = ScriptedBackend()
    expected = tree.run(backend=plain)
    assert state.text() == expected.text()
    assert state.messages() == expected.messages()
    for name in ("names", "x", "best", "sure"):
        assert state[name] == expected[name]
    assert [meta["completion_tokens"] for meta in state.get_meta_info("x")] == [3, 3]
    plain.check_all_closed()


def test_what_runs_is_what_was_planned(planning: PlanningBackend) -> None:
    tree.run()
    (plan,) = planning.plans
    assert plan == tree.plan()


def test_after_a_read_it_goes_on_with_the_live_branches(planning: PlanningBackend) -> None:
    @pm.function
    def program(s):
        s += "a" + pm.gen("x")
        branches = s.fork(2)
        branches += pm.gen("y")
        first = s["x"]
        s += f"[{first}]"
        branches[1] += "more" + pm.gen("z")
        read = branches[1]["z"]
        s += f"({read})" + pm.gen("last")
        return branches[1].text()

    state = program.run()
    assert state.text() == "a<x>[<x>](<z>)<last>"
    assert state.ret_value == "a<x><y>more<z>"
    first, *later = planning.plans
    assert [branch.label for branch in first.branches] == ["main", "main.0[0]", "main.0[1]"]
    assert later
    assert all(branch.parent is None for plan in later for branch in plan.branches)
    live = {id(branch) for branch in planning.branches.values()}
    for plan, roots in zip(later, planning.given_roots[1:], strict=True):
        assert set(roots) == set(range(len(plan.branches)))
        assert {id(branch) for branch in roots.values()} <= live
    assert len(planning.opened) == 1


def test_what_is_appended_while_a_plan_is_at_work_comes_after_it(planning: PlanningBackend) -> None:
    gate = threading.Event()
    planning.held = {"y": gate}

    @pm.function
    def program(s):
        s += pm.gen("x") + " and " + pm.gen("y")
        if s["x"] == "<x>":
            s += f" then {s['y']}" + pm.gen("z")
            gate.set()
        return s["z"]

    state = program.run()
    assert state.text() == "<x> and <y> then <y><z>"
    assert state.ret_value == "<z>"


def test_an_async_program_is_the_same(planning: PlanningBackend) -> None:
    @pm.function
    async def program(s):
        first = s.gen("x")
        s += f" then {first}"
        second = s.gen("y", type=int)
        s += "!"
        return await second

    planning.answers = {"y": "12"}
    state = asyncio.run(program.arun())
    assert (state.text(), state.ret_value) == ("<x> then <x>12!", 12)
    assert len(planning.plans) == 1


def test_text_is_asked_for_as_it_comes_only_where_somebody_follows_it(planning: PlanningBackend) -> None:
    @pm.function
    def reads(s):
        s += "a" + pm.gen("x")

    @pm.function
    def follows(s):
        s += "a" + pm.gen("x")
        return list(s.text_iter())

    reads.run()
    assert "".join(follows.run().ret_value) == "a<x>"
    assert planning.followed == [False, True]
    assert "".join(reads.run(stream=True).text_iter()) == "a<x>"  # each append at once: no plan
    assert planning.followed == [False, True]


def test_a_batch_is_a_plan_an_item(planning: PlanningBackend) -> None:
    @pm.function
    def program(s, number):
        s += f"{number}" + pm.gen("x")
        s += f"<{s['x']}>" + pm.gen("y")

    states = program.run_batch([(number,) for number in range(30)])
    assert [state.text() for state in states] == [f"{number}<x><<x>><y>" for number in range(30)]
    assert len(planning.plans) == 30


# --- errors


def failing(name: str) -> Callable[[pm.ProgramState], None]:
    """A program's body with an operation `name` in one of its places."""

    def body(s: pm.ProgramState) -> None:
        s += "a"
        s += pm.gen("trunk")
        s.select("choice", ["a", "b"])
        with s.fork(2, on_error="collect" if name == "collected" else "cancel") as branches:
            branches[0] += pm.gen("left")
            branches[1] += "b"
            branches[1] += pm.gen("collected" if name == "collected" else "right")
            inner = branches[1].fork(1)
            inner[0] += f"{branches[0]['left']}"
            inner[0] += pm.gen("inner")
        s += pm.score("after", "text")

    return body


@pytest.mark.parametrize("name", ["trunk", "choice", "left", "right", "inner", "after"])
def test_an_error_says_the_same_as_without_plans(planning: PlanningBackend, name: str) -> None:
    program = pm.function(failing(name))
    cause = ScriptedFailure("no")
    found = []
    for backend in (planning, ScriptedBackend()):
        backend.failures = {name: cause}
        with pytest.raises(pm.ProgramError) as caught:
            program.run(backend=backend)
        error = caught.value
        assert error.cause is cause
        assert error.variable == name
        found.append((error.program, error.branch, error.operation_index, error.operation, error.source))
        backend.check_all_closed()
    assert found[0] == found[1]


def test_all_that_needs_what_failed_fails_with_it_and_nothing_else(planning: PlanningBackend) -> None:
    @pm.function
    def program(s):
        s += pm.gen("good") + pm.gen("bad") + pm.gen("after")
        child = s.fork(1)[0]
        child += pm.gen("inherited")
        reads = {"bad": s, "after": s, "inherited": child}
        for name, state in reads.items():
            with pytest.raises(pm.ProgramError, match=r"gen 'bad'\), branch main,"):
                state[name]
        with pytest.raises(pm.ProgramError, match="gen 'bad'"):
            child.text()
        return s["good"]

    planning.failures = {"bad": ScriptedFailure("no")}
    assert program.run().ret_value == "<good>"


@pytest.mark.parametrize("has_plans", [True, False])
def test_a_value_of_a_branch_that_failed_fails_the_text_it_goes_into(
    planning: PlanningBackend, has_plans: bool
) -> None:
    @pm.function
    def program(s):
        branches = s.fork(2)
        branches[0] += pm.gen("bad")
        branches[1] += f"{branches[0]['bad']}" + pm.gen("needs")

    backend = planning if has_plans else ScriptedBackend()
    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match="'bad'") as caught:
        program.run(backend=backend)
    assert isinstance(caught.value.cause, ScriptedFailure)


@pytest.mark.parametrize("has_plans", [True, False])
def test_errors_are_collected_inside_a_plan(planning: PlanningBackend, has_plans: bool) -> None:
    """The branch that failed has a branch of its own, which fails with it and is no failure more."""
    program = pm.function(failing("collected"))
    backend = planning if has_plans else ScriptedBackend()
    backend.failures = {"collected": ScriptedFailure("no")}
    state = program.run(backend=backend)
    assert state["left"] == ["<left>"]
    (error,) = state["collected"]
    assert isinstance(error, pm.ProgramError)
    assert (error.variable, error.branch) == ("collected", "main.0[1]")
    assert state["after"] == -4.0


def test_a_branch_that_fails_cancels_its_siblings_inside_a_plan(planning: PlanningBackend) -> None:
    @pm.function
    def program(s):
        with s.fork(3) as branches:
            branches += [pm.gen("never"), pm.gen("bad"), pm.gen("never")]
        s += "goes on" + pm.gen("x")
        with pytest.raises(pm.ProgramError, match="gen 'bad'"):
            branches.wait()
        return s["x"], [str(error.cause) for error in branches.errors]

    planning.stuck = frozenset({"never"})
    planning.failures = {"bad": ScriptedFailure("no")}
    value, causes = program.run().ret_value
    assert value == "<x>"
    assert causes[1] == "no"
    assert all("the branch main.0[1] of the same fork failed" in causes[index] for index in (0, 2))


# --- cancellation


def test_cancel_in_the_midst_of_a_plan(planning: PlanningBackend) -> None:
    planning.stuck = frozenset({"never"})
    states: list[pm.ProgramState] = []
    begun = threading.Event()

    @pm.function
    def program(s):
        states.append(s)
        s += pm.gen("x")
        branches = s.fork(2)
        branches += pm.gen("y") + pm.gen("never")
        if s["x"]:
            begun.set()
        branches[0]["never"]

    def cancel() -> None:
        begun.wait(timeout=10)
        states[0].cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(pm.ProgramError, match="the program was cancelled"):
        program.run()
    canceller.join()
    assert states[0]["x"] == "<x>"
    planning.check_all_closed()


def test_to_cancel_the_task_cancels_the_plan(planning: PlanningBackend) -> None:
    planning.stuck = frozenset({"never"})

    @pm.function
    async def program(s):
        s += pm.gen("x") + pm.gen("never")
        await s.get("never")

    async def main() -> None:
        task = asyncio.ensure_future(program.arun())
        while not planning.num_in_flight:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        planning.check_all_closed()

    asyncio.run(main())


def test_the_programs_own_error_ends_the_plan(planning: PlanningBackend) -> None:
    planning.stuck = frozenset({"never"})

    @pm.function
    def program(s):
        s += pm.gen("x") + pm.gen("never")
        if s["x"]:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        program.run()


# --- backends that do not keep their word


def test_a_plan_that_ends_without_an_end_for_a_branch_is_an_error(planning: PlanningBackend) -> None:
    planning.forgets = "ends"
    with pytest.raises(pm.ProgramError, match="ended the plan without an end for 7 of its branches"):
        tree.run()


def test_a_plan_that_ends_without_a_value_is_an_error(planning: PlanningBackend) -> None:
    planning.forgets = "values"
    with pytest.raises(pm.ProgramError, match=r"operation 0 \(gen 'x'\).*without a value for this one"):
        pm.function(lambda s: s.gen("x").get()).run()


@pytest.mark.parametrize("is_read", [False, True])
def test_a_backend_that_does_not_take_the_plan(planning: PlanningBackend, is_read: bool) -> None:
    @pm.function
    def program(s):
        s += "a" + pm.gen("x")
        branches = s.fork(2)
        branches += pm.gen("y")
        if is_read:
            branches[0]["y"]

    planning.refusal = OSError("no engine")
    with pytest.raises(pm.ProgramError, match=r"program 'program', branch main.*OSError: no engine"):
        program.run()
    planning.refusal = None
    program.run()


def test_a_backend_that_does_not_open_its_first_branch(planning: PlanningBackend) -> None:
    planning.open_failure = OSError("full")
    with pytest.raises(pm.ProgramError, match=r"program 'tree', .*branch main.*OSError: full"):
        tree.run()


def test_a_fork_that_fails_inside_a_plan(planning: PlanningBackend) -> None:
    planning.fork_failure = OSError("full")
    with pytest.raises(pm.ProgramError, match=r"program 'tree', branch main: OSError: full"):
        tree.run()


def test_a_branch_of_a_generation_is_what_the_plan_says(planning: PlanningBackend) -> None:
    tree.run()
    gens = [step.name for branch in planning.plans[0].branches for step in branch.steps if isinstance(step, Gen)]
    assert gens == ["names", "x", "x", "deep", "deep", "deep", "deep"]

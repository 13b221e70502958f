"""PlanFeed: runs a plan on a backend and hands what it reports to the branches of the program."""

import asyncio
from collections.abc import Callable
from functools import partial

from ..backend import Branch, PlanBackend, PlanRun
from ..errors import PalmetteError
from ..events import BranchEnded, Event, Forked
from ..terms import Terms
from .branch_runner import BranchRunner
from .entry import Failure
from .plan_builder import BuiltPlan


class PlanFeed:
    """One plan at work; lives on the portal's loop.

    While it runs, the branches of the plan are busy; what is delivered to one of them meanwhile runs after its steps
    here have ended, as the branch is then an ordinary live one.
    """

    def __init__(
        self,
        built: BuiltPlan,
        backend: PlanBackend,
        *,
        program: str,
        seed: int | None,
        cache_salt: str,
        terms: Terms,
        is_streaming: bool,
    ) -> None:
        self._built = built
        self._program = program
        self._failures: dict[int, Failure] = {}
        roots = {
            index: branch
            for index, runner in enumerate(built.runners)
            if built.plan.branches[index].parent is None and (branch := runner.branch) is not None
        }
        self._unwanted: set[int] = set()
        self._closing: set[asyncio.Task[None]] = set()
        for index, (runner, entries) in enumerate(zip(built.runners, built.entries, strict=True)):
            runner.begin_plan([entry for entry in entries if entry is not None], partial(self._stop, index))
        self._open = dict(enumerate(built.runners))
        self._plan_run: PlanRun | None = None
        begin = partial(
            backend.run_plan,
            built.plan,
            roots,
            seed=seed,
            cache_salt=cache_salt,
            terms=terms,
            is_streaming=is_streaming,
        )
        self._task = asyncio.get_running_loop().create_task(self._follow(begin))
        self._task.add_done_callback(self._ended)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the plan has ended."""
        self._task.add_done_callback(lambda _: callback())

    def cancel(self) -> None:
        """Stop the plan; the branches are told by who cancels."""
        self._task.cancel()

    async def wait(self) -> None:
        """Return when it has ended, well or not."""
        await asyncio.wait([self._task])

    async def _follow(self, begin: Callable[[], PlanRun]) -> None:
        self._plan_run = begin()  # here, so that a backend that does not take the plan fails its branches
        events = self._plan_run.events()
        try:
            async for index, event in events:
                self._take(index, event)
            if self._open:
                raise PalmetteError(f"the backend ended the plan without an end for {len(self._open)} of its branches")
        finally:
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()

    def _take(self, index: int, event: Event | BranchEnded) -> None:
        runner, entries = self._built.runners[index], self._built.entries[index]
        if isinstance(event, BranchEnded):
            self._open.pop(index, None)
            runner.end_plan(self._branch(index), self._failure(runner, index, event))
        elif isinstance(event, Forked):
            runner.begin_children(self._built.children(index, event.operation_index))
            self._close_unwanted()
        else:
            runner.record(entries, event)

    def _stop(self, index: int) -> None:
        """Nobody wants this branch any more: end it, as soon as it is there."""
        self._unwanted.add(index)
        self._close_unwanted()

    def _close_unwanted(self) -> None:
        for index in list(self._unwanted):
            branch = self._branch(index)
            if branch is not None:
                self._unwanted.discard(index)
                task = asyncio.get_running_loop().create_task(branch.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    def _branch(self, index: int) -> Branch | None:
        return None if self._plan_run is None else self._plan_run.branches.get(index)

    def _failure(self, runner: BranchRunner, index: int, ended: BranchEnded) -> Failure | None:
        """One failure for all branches that one error ended."""
        error, step = ended.error, ended.operation_index
        if error is None:
            return None
        # What needed a value that failed has failed for the same reason.
        failure = self._failures.get(id(error)) or self._failures.get(id(error.__cause__))
        if failure is None:
            entry = None if step is None else self._built.entries[index][step]
            failure = self._failures[id(error)] = Failure(self._program, runner.label, entry, error)
        return failure

    def _ended(self, task: "asyncio.Task[None]") -> None:
        cause = asyncio.CancelledError() if task.cancelled() else task.exception()
        for index, runner in self._open.items():
            failure = None if cause is None else Failure(self._program, runner.label, None, cause)
            runner.end_plan(self._branch(index), failure)

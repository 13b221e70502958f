"""ObservedBackend: the language's port over another, with somebody who follows each request through it."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import TypeVar

from prometheus_client import Gauge

from ....lang.backend import Branch, HoldingBranch, PlanBackend, PlanRun
from ....lang.events import BranchEnded, Event, ValueReady
from ....lang.ir import Gen, Operation, Score, Select
from ....lang.plan import Plan
from ....lang.terms import DEFAULT_TERMS, Terms
from .observer import MakeObserver, Observer, Operations

Item = TypeVar("Item")


class ObservedBackend:
    """See `lang.backend.PlanBackend`. All requests pass unchanged; `makers` give each its observers."""

    def __init__(self, inner: PlanBackend, open_branches: Gauge, makers: Sequence[MakeObserver]) -> None:
        """`open_branches` counts the branches that nobody has closed."""
        self.inner = inner
        self.open_branches = open_branches
        self._makers = tuple(makers)

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> "ObservedBranch":
        """See `Backend`."""
        branch = await self.inner.open_branch(seed=seed, cache_salt=cache_salt, terms=terms)
        return ObservedBranch(branch, self)

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool = False,
    ) -> "ObservedPlanRun":
        """See `PlanBackend`."""
        bare = {index: _bare(branch) for index, branch in roots.items()}
        run = self.inner.run_plan(plan, bare, seed=seed, cache_salt=cache_salt, terms=terms, is_streaming=is_streaming)
        operations = {
            (index, number): step
            for index, branch in enumerate(plan.branches)
            for number, step in enumerate(branch.steps)
        }
        return ObservedPlanRun(run, roots, self, self.observe(plan.name, operations), len(plan.branches))

    async def aflush_cache(self) -> None:
        """See `Backend`."""
        await self.inner.aflush_cache()

    async def aclose(self) -> None:
        """See `Backend`."""
        await self.inner.aclose()

    def observe(self, program: str | None, operations: Operations) -> list[Observer]:
        """Who follows a request that comes now."""
        return [make(program, operations) for make in self._makers]


class ObservedBranch:
    """See `lang.backend.HoldingBranch`."""

    def __init__(self, inner: Branch, backend: ObservedBackend) -> None:
        self.inner = inner
        self._backend = backend
        self._is_open = True
        backend.open_branches.inc()

    @property
    def branch_id(self) -> int:
        """See `Branch`."""
        return self.inner.branch_id

    async def run(self, operations: Sequence[Operation]) -> AsyncIterator[Event]:
        """See `Branch`."""
        observers = self._backend.observe(None, {(0, index): each for index, each in enumerate(operations)})
        num_missing = sum(isinstance(each, Gen | Select | Score) for each in operations)
        events = self.inner.run(operations)
        error: BaseException | None = None
        try:
            async for event in events:
                num_missing -= isinstance(event, ValueReady)
                for observer in observers:
                    observer.event(event)
                yield event
        except BaseException as cause:
            # To leave when all values are there is no failure.
            error = None if isinstance(cause, GeneratorExit) and not num_missing else cause
            raise
        finally:
            for observer in observers:
                observer.end(error)
            await _close(events)

    async def fork(self, num_children: int) -> "list[ObservedBranch]":
        """See `Branch`."""
        return [ObservedBranch(child, self._backend) for child in await self.inner.fork(num_children)]

    async def hold(self, seconds: float) -> None:
        """See `HoldingBranch`; a branch that cannot be held is not."""
        if isinstance(self.inner, HoldingBranch):
            await self.inner.hold(seconds)

    async def close(self) -> None:
        """See `Branch`."""
        if self._is_open:
            self._is_open = False
            self._backend.open_branches.dec()
        await self.inner.close()


class ObservedPlanRun:
    """See `lang.backend.PlanRun`."""

    def __init__(
        self,
        inner: PlanRun,
        roots: Mapping[int, Branch],
        backend: ObservedBackend,
        observers: Sequence[Observer],
        num_branches: int,
    ) -> None:
        self._inner = inner
        self._backend = backend
        self._observers = observers
        self._num_open = num_branches
        self._branches: dict[int, Branch] = dict(roots)

    @property
    def branches(self) -> Mapping[int, Branch]:
        """See `PlanRun`."""
        for index, branch in self._inner.branches.items():
            if index not in self._branches:
                self._branches[index] = ObservedBranch(branch, self._backend)
        return self._branches

    async def events(self) -> AsyncGenerator[tuple[int, Event | BranchEnded], None]:
        """See `PlanRun`."""
        events = self._inner.events()
        error: BaseException | None = None
        failure: BaseException | None = None
        try:
            async for index, event in events:
                if isinstance(event, BranchEnded):
                    self._num_open -= 1
                    failure = failure or event.error
                for observer in self._observers:
                    observer.event(event, index)
                yield index, event
            error = failure
        except BaseException as cause:
            error = cause if self._num_open else failure
            raise
        finally:
            for observer in self._observers:
                observer.end(error)
            await _close(events)


def _bare(branch: Branch) -> Branch:
    return branch.inner if isinstance(branch, ObservedBranch) else branch


async def _close(events: AsyncIterator[Item]) -> None:
    """End an iterator that may have more; what is not a generator has nothing to end."""
    aclose = getattr(events, "aclose", None)
    if aclose is not None:
        await aclose()

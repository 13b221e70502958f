"""ProgramRun: one run of a program against a backend, with all its branches."""

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import TypeVar

from .backend import Backend, Branch
from .branch_runner import BranchRunner, ForkPoint, Step
from .entry import Failure
from .portal import PORTAL

T = TypeVar("T")


class ProgramRun:
    """Collects what all branches have pending and submits it together; ends with every branch closed.

    The program's body runs on a thread of the user's. It blocks only when it asks for a value; what it appended
    until then, on all branches, is submitted first, so that the branches run at the same time. Of a streaming run
    each append is submitted at once, as another thread reads along.
    """

    def __init__(
        self, program: str, backend: Backend, *, seed: int | None, cache_salt: str, is_streaming: bool
    ) -> None:
        self.program = program
        self.backend = backend
        self.run_id = os.urandom(16).hex()
        self.is_streaming = is_streaming
        self.hidden_names = itertools.count(1)
        self.over = asyncio.Event()
        """Set on the loop when the body has ended and every branch is closed."""
        self.error: BaseException | None = None
        """What ended the program, if not its last line."""
        self._seed = seed
        self._cache_salt = cache_salt
        self._lock = threading.Lock()
        self._body_thread: int | None = None
        self._cancel_cause: BaseException | None = None
        self.root = BranchRunner(program, "main", self._open_root)
        self._runners = [self.root]
        self._inner: set[ProgramRun] = set()
        """Runs that the body has begun and waits for."""

    @property
    def is_outside(self) -> bool:
        """The caller is not the body, but reads a streaming run along with it: what it asks for may be yet to come."""
        return self.is_streaming and threading.get_ident() != self._body_thread

    # What the user's threads call

    def append(self, runner: BranchRunner, step: Step) -> None:
        """Put `step` at the end of the branch, to be submitted."""
        with self._lock:
            runner.pending.append(step)

    def fork(self, parent: BranchRunner, num_children: int) -> tuple[BranchRunner, ...]:
        """New branches that begin where `parent` stands now."""
        label = f"{parent.label}.{parent.num_forks}"
        children = tuple(BranchRunner(self.program, f"{label}[{index}]") for index in range(num_children))
        with self._lock:
            parent.num_forks += 1
            self._runners.extend(children)
            parent.pending.append(ForkPoint(children))
        return children

    def submit(self) -> None:
        """Send what is pending on all branches to the loop."""
        with self._lock:  # held while posting: what was taken first arrives first
            batches = [(runner, runner.pending) for runner in self._runners if runner.pending]
            for runner, _ in batches:
                runner.pending = []
            if batches:
                PORTAL.post(lambda: self._deliver(batches))

    def notice(self, runner: BranchRunner) -> None:
        """Tell those who read along that the branch has changed on the user's side."""
        if self.is_streaming:
            PORTAL.post(runner.pulse.beat)

    def wait(self, waiter: Callable[[], Coroutine[object, object, T]]) -> T:
        """Submit, then block until `waiter()`, run on the loop, returns.

        Ctrl-C meanwhile cancels the program, also where it is read from outside, since nobody is left to read it.
        """
        self.submit()
        try:
            return PORTAL.call(waiter())
        except KeyboardInterrupt as interrupt:
            if self.is_outside:
                self.cancel(interrupt)
            raise

    async def wait_async(self, waiter: Callable[[], Coroutine[object, object, T]]) -> T:
        """`wait` for a caller that is itself on an event loop."""
        self.submit()
        return await asyncio.wrap_future(PORTAL.start(waiter()))

    def execute(self, body: Callable[[], T]) -> T:
        """Run `body` here and end the run: raises what the body raises, or else the first failure nobody has seen."""
        self._body_thread = threading.get_ident()
        outer = CURRENT_RUN.get()
        token = CURRENT_RUN.set(self)
        if outer is not None:
            outer._adopt(self)
        try:
            value = body()
            self.wait(self._finish)
        except BaseException as error:
            self.error = error
            PORTAL.call(self._abort(error))
            raise
        finally:
            CURRENT_RUN.reset(token)
            if outer is not None:
                outer._dismiss(self)
        return value

    def start(self, body: Callable[[], object]) -> None:
        """Run `body` in a thread of its own; who reads the run gets what it raises."""

        def in_thread() -> None:
            try:
                self.execute(body)
            except BaseException:  # noqa: BLE001
                assert self.error is not None, "execute keeps the error, and each read raises it"

        threading.Thread(target=in_thread, name=f"palmette-stream-{self.program}", daemon=True).start()

    def cancel(self, cause: BaseException) -> None:
        """From any thread: all that is not done fails with `cause`, which wakes the body."""
        PORTAL.post(lambda: self._cancel(cause))

    def close_runners(self, runners: Sequence[BranchRunner]) -> None:
        """Give these branches back now instead of at the end, without waiting for it."""

        def close() -> None:
            for runner in runners:
                task = asyncio.ensure_future(runner.close())
                task.add_done_callback(_retrieve)  # an error comes up again when the run closes all

        PORTAL.post(close)

    def _adopt(self, run: "ProgramRun") -> None:
        """What cancels this run is to cancel `run`, too."""
        with self._lock:
            self._inner.add(run)
        if self._cancel_cause is not None:
            run.cancel(self._cancel_cause)

    def _dismiss(self, run: "ProgramRun") -> None:
        with self._lock:
            self._inner.discard(run)

    # What runs on the loop

    async def settled(self, runner: BranchRunner, is_outside: bool) -> None:
        """Return when all of the branch has run; raises what went wrong with it."""
        if is_outside:
            await self.over.wait()
            self.check()
        else:
            await runner.idle()
        runner.check()

    def check(self) -> None:
        """Raise what ended the program, if not its last line."""
        if self.error is not None:
            raise self.error

    async def _open_root(self) -> Sequence[Branch]:
        return [await self.backend.open_branch(seed=self._seed, cache_salt=self._cache_salt)]

    def _deliver(self, batches: Sequence[tuple[BranchRunner, list[Step]]]) -> None:
        for runner, steps in batches:
            runner.deliver(steps)
            if self._cancel_cause is not None:
                runner.cancel(self._cancel_cause)

    def _cancel(self, cause: BaseException) -> None:
        if self.over.is_set():
            return
        self._cancel_cause = cause
        with self._lock:
            inner = list(self._inner)
        for run in inner:
            run._cancel(cause)
        for runner in list(self._runners):
            runner.cancel(cause)

    async def _finish(self) -> None:
        for runner in self._runners:
            await runner.idle()
        await self._close()
        for runner in self._runners:
            if runner.failure is not None and not runner.failure.is_surfaced:
                raise runner.failure.error()
        if self._cancel_cause is not None:
            raise Failure(self.program, self.root.label, None, self._cancel_cause).error()
        self._end()

    async def _abort(self, error: BaseException) -> None:
        self._cancel(error)
        try:
            await self._close()
        except Exception as close_error:  # noqa: BLE001 - the program's own error is the one to raise
            error.add_note(f"and then a branch could not be closed: {type(close_error).__name__}: {close_error}")
        finally:
            self._end()

    async def _close(self) -> None:
        outcomes = await asyncio.gather(*(runner.close() for runner in self._runners), return_exceptions=True)
        for runner, outcome in zip(self._runners, outcomes, strict=True):
            if isinstance(outcome, Exception):
                raise Failure(self.program, runner.label, None, outcome).error()

    def _end(self) -> None:
        self.over.set()
        for runner in self._runners:
            runner.pulse.beat()


def _retrieve(task: "asyncio.Future[None]") -> None:
    if not task.cancelled():
        task.exception()


CURRENT_RUN: ContextVar[ProgramRun | None] = ContextVar("palmette_current_run", default=None)
"""The run whose body the caller is in."""

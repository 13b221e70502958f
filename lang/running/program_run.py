"""ProgramRun: one run of a program against a backend, with all its branches."""

import asyncio
import contextvars
import itertools
import os
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import partial
from typing import Literal, TypeVar

from ..backend import Backend, Branch, PlanBackend
from ..errors import SiblingFailed, StateError
from ..source_line import user_source_line
from ..terms import DEFAULT_TERMS, Terms
from .branch_runner import BranchRunner, ForkPoint, PendingStep
from .entry import Failure
from .own_thread import in_thread
from .plan_builder import build_plan
from .plan_feed import PlanFeed
from .portal import PORTAL
from .reference import References

T = TypeVar("T")
ForkErrorMode = Literal["cancel", "collect"]


class ProgramRun:
    """Collects what all branches have pending and submits it together; ends with every branch closed.

    The program's body runs on a thread of the user's, or as a coroutine on an event loop of the user's. It waits only
    when it asks for a value; what it appended until then, on all branches, is submitted first, as one plan where the
    backend runs plans. Of a streaming run each append is submitted at once, as somebody else reads along.
    """

    def __init__(
        self,
        program: str,
        backend: Backend,
        *,
        seed: int | None,
        cache_salt: str,
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool,
        is_async: bool = False,
        defers_reads: bool = True,
    ) -> None:
        self.program = program
        self.backend = backend
        self.run_id = os.urandom(16).hex()
        self.seed = seed
        self.cache_salt = cache_salt
        self.terms = terms
        self._arrived_at: float | None = None
        """When the backend first heard of it, by the monotonic clock."""
        self.is_streaming = is_streaming
        self.is_async = is_async
        self.defers_reads = defers_reads
        """What a value's text goes into need not wait for the value."""
        self.arguments: Mapping[str, object] = {}
        """What the program was called with, for the record."""
        self.is_tracing = False
        """The body is to be seen, not run: every value it reads is a reference."""
        self.is_traced = False
        """The body has been seen, and is not run again: what it kept has references in it."""
        self.started_at = time.time()
        self.references = References()
        self.hidden_names = itertools.count(1)
        self.over = asyncio.Event()
        """Set on the loop when the body has ended and every branch is closed."""
        self.error: BaseException | None = None
        """What ended the program, if not its last line."""
        self._lock = threading.Lock()
        self._cancel_cause: BaseException | None = None
        self.root = BranchRunner(program, "main", self._open_root)
        self.runners = [self.root]
        """All branches, parents before their children."""
        self._feeds: set[PlanFeed] = set()
        self._task: asyncio.Task[None] | None = None
        self._outer: ProgramRun | None = None
        self._inner: set[ProgramRun] = set()
        """Runs that the body has begun and waits for."""

    @property
    def is_outside(self) -> bool:
        """The caller is not the body, but reads a streaming run along with it: what it asks for may be yet to come."""
        if not self.is_streaming:
            return False
        current = CURRENT_RUN.get()
        while current is not None and current is not self:
            current = current._outer
        return current is None

    @property
    def can_defer(self) -> bool:
        """A value's text may be put in later."""
        return self.is_tracing or self.defers_reads

    @property
    def terms_left(self) -> Terms:
        """For a program that the body runs now, as a part of this one."""
        return self.terms if self._arrived_at is None else self.terms.after(time.monotonic() - self._arrived_at)

    # What the user's threads call

    def append(self, runner: BranchRunner, step: PendingStep) -> None:
        """Put `step` at the end of the branch, to be submitted."""
        with self._lock:
            runner.append(step)

    def fork(self, parent: BranchRunner, num_children: int, on_error: ForkErrorMode) -> tuple[BranchRunner, ...]:
        """New branches that begin where `parent` stands now; with "cancel" one that fails stops the others."""
        label = f"{parent.label}.{parent.num_forks}"
        children = tuple(BranchRunner(self.program, f"{label}[{index}]") for index in range(num_children))
        for child in children:
            child.keeps_failure = on_error == "collect"
            if on_error == "cancel" and num_children > 1:
                child.on_failure = partial(_cancel_siblings, child, children)
        with self._lock:
            parent.num_forks += 1
            self.runners.extend(children)
            parent.append(ForkPoint(children))
        return children

    def plain(self, value: object) -> object:
        """What the body kept, with texts in place of the references that a trace gave it."""
        return self.references.settled(value) if self.is_traced and not self.is_tracing else value

    def take_pending(self) -> dict[BranchRunner, list[PendingStep]]:
        """What all branches have pending, which is theirs no more."""
        pending = {runner: runner.pending for runner in self.runners if runner.pending}
        for runner in pending:
            runner.pending = []
        return pending

    def submit(self, *, is_followed: bool = False) -> None:
        """Send what is pending on all branches to the loop. `is_followed`: somebody reads the text as it comes."""
        if self.is_tracing:
            return
        with self._lock:  # held while posting: what was taken first arrives first
            pending = self.take_pending()
            if pending:
                PORTAL.post(lambda: self._deliver(pending, is_followed=is_followed or self.is_async))

    def notice(self, runner: BranchRunner) -> None:
        """Tell those who read along that the branch has changed on the user's side."""
        if self.is_streaming:
            PORTAL.post(runner.pulse.beat)

    def wait(self, waiter: Callable[[], Coroutine[object, object, T]], *, is_followed: bool = False) -> T:
        """Submit, then block until `waiter()`, run on the loop, returns.

        Ctrl-C meanwhile cancels the program, also where it is read from outside, since nobody is left to read it.
        """
        self._check_may_wait()
        if self.is_async and _is_on_a_loop() and not self.over.is_set():
            raise StateError(
                "this value is not there yet, and to block for it would stop the event loop of this async program: "
                "await it, as in `await s.get(name)`, `await value`, `await s.wait()`"
            )
        self.submit(is_followed=is_followed)
        try:
            return PORTAL.call(waiter())
        except KeyboardInterrupt as interrupt:
            if self.is_outside:
                self.cancel(interrupt)
            raise

    async def wait_async(self, waiter: Callable[[], Coroutine[object, object, T]]) -> T:
        """`wait` for a caller that is itself on an event loop."""
        self._check_may_wait()
        self.submit()
        return await PORTAL.run(waiter())

    def _check_may_wait(self) -> None:
        if self.is_tracing:
            self.references.refuse("Python waits for a value", "what the model writes", user_source_line())

    def execute(self, body: Callable[[], T]) -> T:
        """Run `body` here and end the run: raises what the body raises, or else the first failure nobody has seen."""
        value = self.run_body(body)
        try:
            PORTAL.call(self.finish())
        except BaseException as error:
            self._stop_for(error)
            raise
        return value

    def run_body(self, body: Callable[[], T]) -> T:
        """The first part of `execute`: run `body` and submit what is pending; should it raise, the run is ended."""
        token = self._enter()
        try:
            value = body()
            self.submit()
        except BaseException as error:
            self._stop_for(error)
            raise
        finally:
            CURRENT_RUN.reset(token)
        return value

    def inside(self, body: Callable[[], T]) -> T:
        """Call `body` as the body of this run."""
        token = CURRENT_RUN.set(self)
        try:
            return body()
        finally:
            CURRENT_RUN.reset(token)

    async def execute_in_thread(self, body: Callable[[], T]) -> T:
        """`execute` with the body in a thread of its own; cancelled, the body stops at its next read."""
        try:
            value = await in_thread(partial(self.run_body, body), self.program)
            await self.wait_async(self.finish)
        except BaseException as error:
            await self._abort_whole(error)
            raise
        return value

    async def execute_async(self, body: Callable[[], Awaitable[T]]) -> T:
        """`execute` for a body that awaits. Cancelled, it stops the engine's work and waits until that has ended."""
        token = self._enter()
        try:
            value = await body()
            await self.wait_async(self.finish)
        except BaseException as error:
            await self._abort_whole(error)
            raise
        finally:
            CURRENT_RUN.reset(token)
        return value

    async def finish_or_abort(self) -> None:
        """The last part of `execute`, on the loop: wait for all branches, or end them for what fails."""
        try:
            await self.finish()
        except BaseException as error:
            self.error = error
            await self.abort(error)
            raise

    def keep(self, running: Coroutine[object, object, None]) -> None:
        """Run a streaming body as a task of the caller's loop, for as long as it takes."""
        self._task = asyncio.get_running_loop().create_task(running)

    async def _abort_whole(self, error: BaseException) -> None:
        """`abort`, however often the caller is cancelled meanwhile: what the backend holds is given back first."""
        is_cancel = isinstance(error, asyncio.CancelledError)
        self.error = StateError("the program was cancelled, with the task that ran it") if is_cancel else error
        aborting = asyncio.ensure_future(PORTAL.run(self.abort(self.error)))
        while not aborting.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(aborting)
        aborting.result()

    def start(self, body: Callable[[], object]) -> None:
        """Run `body` in a thread of its own; who reads the run gets what it raises."""

        def in_thread() -> None:
            try:
                self.execute(body)
            except BaseException:  # noqa: BLE001
                assert self.error is not None, "execute keeps the error, and each read raises it"

        context = contextvars.copy_context()
        name = f"palmette-stream-{self.program}"
        threading.Thread(target=context.run, args=(in_thread,), name=name, daemon=True).start()

    def cancel(self, cause: BaseException) -> None:
        """From any thread: all that is not done fails with `cause`, which wakes the body."""
        PORTAL.post(lambda: self._cancel(cause))

    def cancel_branches(self, runners: Sequence[BranchRunner], cause: BaseException) -> None:
        """From any thread: what these branches have not done fails with `cause`."""
        self.submit()

        def cancel() -> None:
            for runner in runners:
                runner.cancel(cause)

        PORTAL.post(cancel)

    def _enter(self) -> "Token[ProgramRun | None]":
        self._outer = CURRENT_RUN.get()
        if self._outer is not None:
            self._outer._adopt(self)
        return CURRENT_RUN.set(self)

    def _stop_for(self, error: BaseException) -> None:
        self.error = error
        PORTAL.call(self.abort(error))

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
        return [await self.backend.open_branch(seed=self.seed, cache_salt=self.cache_salt, terms=self.terms)]

    def _deliver(self, pending: Mapping[BranchRunner, list[PendingStep]], *, is_followed: bool) -> None:
        if self._cancel_cause is not None:
            # A body in a thread goes on up to its next read, perhaps after all branches were closed: nothing begins.
            for runner, steps in pending.items():
                runner.refuse(steps, self._cancel_cause)
            return
        if self._arrived_at is None:
            self._arrived_at = time.monotonic()
        if not self._deliver_as_plan(pending, is_followed=is_followed):
            for runner, steps in pending.items():
                runner.deliver(steps)

    def _deliver_as_plan(self, pending: Mapping[BranchRunner, list[PendingStep]], *, is_followed: bool) -> bool:
        """Have the backend run it all by itself, where it can and where nothing else is under way on the branches."""
        backend = self.backend
        if self.is_streaming or not isinstance(backend, PlanBackend):
            return False
        forked = {child for steps in pending.values() for step in steps for child in _forked_by(step)}
        for runner in pending:
            is_open = runner is self.root or runner in forked or runner.branch is not None
            if not is_open or not runner.can_join_plan:
                return False
        built = build_plan(self.program, (), pending)
        if built is None:
            return False
        feed = PlanFeed(
            built,
            backend,
            program=self.program,
            seed=self.seed,
            cache_salt=self.cache_salt,
            terms=self.terms,
            is_streaming=is_followed,
        )
        self._feeds.add(feed)
        feed.on_end(lambda: self._feeds.discard(feed))
        return True

    def _cancel(self, cause: BaseException) -> None:
        if self.over.is_set():
            return
        self._cancel_cause = cause
        with self._lock:
            inner = list(self._inner)
        for run in inner:
            run._cancel(cause)
        for runner in list(self.runners):
            runner.cancel(cause)
        for feed in list(self._feeds):
            feed.cancel()

    async def finish(self) -> None:
        """Wait for all branches and close them; raises the first failure that nobody has seen."""
        for runner in self.runners:
            await runner.idle()
        await self._close()
        collected = {runner.failure for runner in self.runners if runner.keeps_failure}  # their own branches share it
        for runner in self.runners:
            failure = runner.failure
            if failure is not None and not failure.is_surfaced and failure not in collected:
                raise failure.error()
        if self._cancel_cause is not None:
            raise Failure(self.program, self.root.label, None, self._cancel_cause).error()
        self._end()

    async def abort(self, error: BaseException) -> None:
        """End the run for `error`, which gets a note of what else goes wrong."""
        self._cancel(error)
        try:
            await self._close()
        except Exception as close_error:  # noqa: BLE001 - the program's own error is the one to raise
            error.add_note(f"and then a branch could not be closed: {type(close_error).__name__}: {close_error}")
        finally:
            self._end()

    async def _close(self) -> None:
        for feed in list(self._feeds):
            await feed.wait()
        outcomes = await asyncio.gather(*(runner.close() for runner in self.runners), return_exceptions=True)
        for runner, outcome in zip(self.runners, outcomes, strict=True):
            if isinstance(outcome, Exception):
                raise Failure(self.program, runner.label, None, outcome).error()

    def _end(self) -> None:
        self.over.set()
        if self._outer is not None:
            self._outer._dismiss(self)
        for runner in self.runners:
            runner.pulse.beat()


def _forked_by(step: PendingStep) -> Iterable[BranchRunner]:
    return step.children if isinstance(step, ForkPoint) else ()


def _cancel_siblings(failed: BranchRunner, siblings: Sequence[BranchRunner], cause: BaseException) -> None:
    if isinstance(cause, SiblingFailed):
        return  # whoever failed first has told them all
    for sibling in siblings:
        if sibling is not failed:
            told = SiblingFailed(f"cancelled, as the branch {failed.label} of the same fork failed: {cause}")
            told.__cause__ = cause
            sibling.cancel(told)


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


CURRENT_RUN: ContextVar[ProgramRun | None] = ContextVar("palmette_current_run", default=None)
"""The run whose body the caller is in."""

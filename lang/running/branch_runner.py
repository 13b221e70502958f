"""BranchRunner: feeds one branch of a program to the backend, in order, and keeps what comes back."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress

from ..backend import Branch, HoldingBranch
from ..errors import PalmetteError, StateError
from ..events import Closing, Event, Forked, TextDelta, ValueReady
from ..ir import Join
from .entry import Entry, Failure, TemplateEntry
from .pulse import Pulse


class ForkPoint:
    """Where in a branch its children begin."""

    def __init__(self, children: "tuple[BranchRunner, ...]") -> None:
        self.children = children
        self.text = ""
        """What the fork wrote: the end of a turn that was to be closed before it."""


class GatherPoint:
    """Where in a branch its children end: each is closed once it has run."""

    def __init__(self, children: "tuple[BranchRunner, ...]") -> None:
        self.children = children


class JoinEntry(Entry):
    """Appends the texts of `children`; their ids are known only once they are open."""

    __slots__ = ("added", "children")

    def __init__(self, children: "tuple[BranchRunner, ...]", added: Sequence[Entry], index: int, source: str) -> None:
        """`added`: what the children recorded since the fork, one child after the other."""
        super().__init__(Join(()), index, source)
        self.children = children
        self.added = tuple(added)


PendingStep = Entry | ForkPoint | GatherPoint
Opening = Callable[[], Coroutine[object, object, Sequence[Branch]]]
"""Opens branches; of a root, just one."""


class BranchRunner:
    """One branch: `pending` belongs to the user's thread (under the run's lock), all else to the portal's loop.

        pending --(submit)--> queue --(worker)--> Branch.run(all that is queued up to a fork or a join) --> entries
                      |
                      +-----> a plan, with what the other branches have pending --> entries

    The worker is a task that lives while the queue has steps, or stands for a plan while that is at work here. A
    failure is final: what is queued then, or later, fails with it, and so do the children that were to be forked
    after it.
    """

    def __init__(
        self,
        program: str,
        label: str,
        open_root: "Opening | None" = None,
    ) -> None:
        """`open_root`: how to open the branch; None for a child, which its parent's worker opens."""
        self.label = label
        self.num_forks = 0
        self.pending: list[PendingStep] = []
        self.history: list[PendingStep] = []
        """All that was ever pending, in order."""
        self.text_parts: list[str] = []
        self.closing = ""
        self._fork_parts: list[str] = []
        """Text of a fork that is under way in a plan."""
        self.events: list[Event] = []
        """All that happened on this branch since it was forked, in order."""
        self.failure: Failure | None = None
        self.keeps_failure = False
        """A failure stands in the place of the branch's values, and does not end the program."""
        self.on_failure: Callable[[BaseException], None] | None = None
        """Is told when the branch fails."""
        self.pulse = Pulse()
        self._program = program
        self._open_root = open_root
        self._branch: Branch | None = None
        self._opened = asyncio.Event()
        self._queue: deque[PendingStep] = deque()
        self._running: Sequence[Entry] = ()
        self._worker: asyncio.Future[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._closers: set[asyncio.Task[None]] = set()
        self._stop_plan: Callable[[], None] = _nothing

    def append(self, step: PendingStep) -> None:
        """Put `step` at the end, to be submitted; called under the run's lock."""
        self.pending.append(step)
        self.history.append(step)

    @property
    def is_idle(self) -> bool:
        """All that was delivered has ended, well or not."""
        is_begun = self._open_root is not None or self._opened.is_set()
        return is_begun and self._worker is None and not self._queue

    @property
    def text(self) -> str:
        """The whole text so far, a turn that has ended closed."""
        return "".join(self.text_parts) + self.closing

    @property
    def branch(self) -> Branch | None:
        """The live branch, once it is open."""
        return self._branch

    @property
    def can_join_plan(self) -> bool:
        """What is pending here could be part of a plan: nothing else is under way."""
        return self.failure is None and self._worker is None and not self._queue and self._closer is None

    async def idle(self) -> None:
        """Return when idle."""
        while not self.is_idle:
            await self.pulse.wait()

    def check(self) -> None:
        """Raise the failure, if any."""
        if self.failure is not None:
            raise self.failure.error()

    def deliver(self, steps: Sequence[PendingStep]) -> None:
        """Queue `steps` and see that they run."""
        self._queue.extend(steps)
        if self.failure is not None:
            self._fail(self.failure)
        elif self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())
            self._worker.add_done_callback(self._never_began)
        self.pulse.beat()

    def refuse(self, steps: Sequence[PendingStep], cause: BaseException) -> None:
        """Let `steps` fail with `cause`, as nothing may begin any more."""
        self._queue.extend(steps)
        self._fail(self.failure or self._cancelled(cause))

    async def hold(self, seconds: float) -> None:
        """Once idle, have the backend keep what is computed; one that cannot computes it again if need be."""
        await self.idle()
        self.check()
        if isinstance(self._branch, HoldingBranch):
            await self._branch.hold(seconds)

    # A plan at work on this branch, told by its feed

    def begin_plan(self, entries: Sequence[Entry], stop: Callable[[], None]) -> None:
        """A plan runs `entries`; until `end_plan` the branch is busy. `stop` ends it on this branch alone."""
        self._running = entries
        self._stop_plan = stop
        self._worker = asyncio.get_running_loop().create_future()

    def record(self, entries: Sequence[Entry | None], event: Event) -> None:
        """What happened to one of the plan's steps."""
        if self.failure is None:
            self._record(entries, event)

    def begin_children(self, children: "Sequence[BranchRunner]") -> None:
        """The plan forked them: they begin with all the text so far."""
        point = next(step for step in self.history if isinstance(step, ForkPoint) and step.children == tuple(children))
        point.text = "".join(self._fork_parts) + self._settle_closing()
        self._fork_parts.clear()
        text = "".join(self.text_parts)
        for child in children:
            child.text_parts.append(text)
            child._opened.set()
            child.pulse.beat()

    def end_plan(self, branch: Branch | None, failure: Failure | None) -> None:
        """The plan has ended here; the live `branch`, if it was opened, goes on with what is queued."""
        self._branch = branch if self._branch is None else self._branch
        worker, self._worker = self._worker, None
        if worker is not None and not worker.done():
            worker.set_result(None)
        if self.failure is None:
            missing = next((each for each in self._running if each.has_value and each.result is None), None)
            if failure is None and missing is not None:
                failure = Failure(self._program, self.label, missing, _NoValue(self._running.index(missing)))
            for entry in self._running if failure is None else ():
                entry.done.set()
        if failure is not None and self.failure is None:
            self._fail(failure)
        self._running = ()
        self._opened.set()
        if self._queue and self.failure is None:
            self.deliver(())
        self.pulse.beat()

    # Ending

    def cancel(self, cause: BaseException) -> None:
        """Stop what runs; all that is not done fails with `cause`."""
        if self.is_idle:
            return
        if self._worker is not None:
            self._worker.cancel()
            if self._worker.cancelled():  # a plan's, which the other branches go on with
                self._worker = None
                self._stop_plan()
        if self.failure is None:
            self._fail(self._cancelled(cause))

    def _cancelled(self, cause: BaseException) -> Failure:
        failure = Failure(self._program, self.label, None, cause)
        failure.is_surfaced = True  # whoever cancels knows of it
        return failure

    async def close(self) -> None:
        """Give the branch back to the backend; what still runs is cancelled. May be called again."""
        if self._closer is None:
            self._closer = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closer)

    async def _close(self) -> None:
        worker = self._worker
        if worker is not None or self._queue:
            self.cancel(StateError("the branch was closed before its operations had ended"))
        if worker is not None:
            await asyncio.wait([worker])
        if self._branch is not None:
            await self._branch.close()
        self.pulse.beat()

    async def _work(self) -> None:
        try:
            while self._queue:
                step = self._queue[0]
                if isinstance(step, ForkPoint):
                    await self._fork(step)
                    self._queue.popleft()  # only now: should the fork fail, its children fail with the queue
                elif isinstance(step, GatherPoint):
                    self._queue.popleft()
                    for child in step.children:
                        child.close_when_idle()
                else:
                    await self._run(self._take_entries())
        except Exception as cause:  # noqa: BLE001 - it is raised to the user, by whatever reads this branch
            self._fail(Failure(self._program, self.label, self._entry_to_blame(cause), cause))
        finally:
            self._running = ()
            self._worker = None
            self.pulse.beat()

    def close_when_idle(self) -> None:
        """Give the branch back once what was delivered has ended."""
        task = asyncio.get_running_loop().create_task(self._close_when_idle())
        self._closers.add(task)
        task.add_done_callback(self._closers.discard)

    async def _close_when_idle(self) -> None:
        await self.idle()
        with suppress(Exception):  # it comes up again when the run closes all
            await self.close()

    def _never_began(self, worker: "asyncio.Future[None]") -> None:
        """A task that is cancelled before it begins does not come to its `finally`."""
        if self._worker is worker:
            self._worker = None
            self.pulse.beat()

    def _take_entries(self) -> list[Entry]:
        """The queue's entries up to a fork, or up to a join that is not the first of them."""
        entries: list[Entry] = []
        while self._queue:
            step = self._queue[0]
            if not isinstance(step, Entry) or (isinstance(step, JoinEntry | TemplateEntry) and entries):
                break
            entries.append(step)
            self._queue.popleft()
        return entries

    async def _run(self, entries: list[Entry]) -> None:
        self._running = entries
        branch = await self._open()
        first = entries[0]
        if isinstance(first, TemplateEntry):
            failure = await first.resolve()
            if failure is not None:
                self._fail(failure)
                return
        children = first.children if isinstance(first, JoinEntry) else ()
        for child in children:
            await child.idle()
            child.check()
        if children:
            first.operation = Join(tuple([(await child._open()).branch_id for child in children]))
        events = branch.run([entry.operation for entry in entries])
        try:
            async for event in events:
                self._record(entries, event)
        finally:
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()
        for entry in entries:
            if entry.has_value and entry.result is None:
                raise _NoValue(entries.index(entry))
            entry.done.set()
        for child in children:
            await child.close()

    async def _fork(self, step: ForkPoint) -> None:
        branch = await self._open()
        branches = await _whole(branch.fork(len(step.children)))
        step.text = self._settle_closing()
        text = "".join(self.text_parts)
        for child, child_branch in zip(step.children, branches, strict=True):
            child.text_parts.append(text)
            child._branch = child_branch
            child._opened.set()
            child.pulse.beat()

    async def _open(self) -> Branch:
        if self._branch is None and self._open_root is not None:
            [self._branch] = await _whole(self._open_root())
        elif self._branch is None:
            await self._opened.wait()
        assert self._branch is not None, "a child whose fork failed was told to fail, not to run"
        return self._branch

    def _settle_closing(self) -> str:
        """A fork has written what would close the turn; returns it."""
        text, self.closing = self.closing, ""
        if text:
            self.text_parts.append(text)
        return text

    def _record(self, entries: Sequence[Entry | None], event: Event) -> None:
        self.events.append(event)
        if isinstance(event, TextDelta):
            entry = entries[event.operation_index]
            if entry is not None:
                entry.text_parts.append(event.text)
                entry.token_ids += event.token_ids
            else:
                self._fork_parts.append(event.text)
            self.text_parts.append(event.text)
            self.closing = ""
        elif isinstance(event, ValueReady):
            entry = entries[event.operation_index]
            assert entry is not None, f"the backend gave a value to a fork: {event}"
            entry.result = event.result
            entry.timing = event.timing
            entry.done.set()
        elif isinstance(event, Closing):
            self.closing = event.text
        elif isinstance(event, Forked):
            raise PalmetteError("the backend reported a fork, but none was among the operations")
        self.pulse.beat()

    def _entry_to_blame(self, cause: Exception) -> Entry | None:
        index = getattr(cause, "operation_index", None)
        if isinstance(index, int) and 0 <= index < len(self._running):
            return self._running[index]
        return self._running[0] if len(self._running) == 1 else None

    def _fail(self, failure: Failure) -> None:
        is_new = self.failure is None
        self.failure = failure
        for entry in self._running:
            entry.fail(failure)
        for step in self._queue:
            if isinstance(step, ForkPoint):
                for child in step.children:
                    child._fail(failure)
            elif isinstance(step, Entry):
                step.fail(failure)
        self._queue.clear()
        if self._worker is not None and self._branch is None and self._open_root is None:
            self._worker.cancel()  # a child that waits for a fork which will not come
        self._opened.set()
        self.pulse.beat()
        if is_new and self.on_failure is not None:
            self.on_failure(failure.cause)


def _nothing() -> None:
    """What stops no plan."""


class _NoValue(PalmetteError):
    def __init__(self, operation_index: int) -> None:
        self.operation_index = operation_index
        super().__init__("the backend ended the operations without a value for this one")


async def _whole(opening: Coroutine[object, object, Sequence[Branch]]) -> Sequence[Branch]:
    """Await `opening`; should the caller be cancelled meanwhile, what it still opens is closed.

    It is not cancelled itself: the backend may have opened a branch whose id is not here yet, and which then nobody
    could close.
    """
    task = asyncio.ensure_future(opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        closing = asyncio.ensure_future(_close_when_open(task))
        while not closing.done():
            with suppress(asyncio.CancelledError):  # cancelled once more: it is on its way out, but this comes first
                await asyncio.wait([closing])
        closing.result()
        raise


async def _close_when_open(opening: "asyncio.Future[Sequence[Branch]]") -> None:
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        for branch in opening.result():
            await branch.close()

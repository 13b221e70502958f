"""EngineHost: answers the messages of a server with what an engine in this process does."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from typing import cast

import msgspec

from ....lang.backend import Branch
from ....lang.events import BranchEnded, Event
from ...errors import BranchClosed, EngineClosed, InvalidRequest
from ...local.local_branch import LocalBranch
from .connection import FrameConnection
from .engine_service import EngineService
from .error_record import record_of
from .errors import FrameTooLong, SlowReader
from .messages import (
    REQUEST_DECODER,
    Answer,
    AskEnforcement,
    AskStats,
    AskTree,
    BranchesOpened,
    CancelCall,
    CloseBranch,
    Compile,
    Compiled,
    Done,
    Enforcement,
    Finished,
    FlushCache,
    ForkBranch,
    Happened,
    HoldBranch,
    KeepBranches,
    OpenBranch,
    Ping,
    PlanBranchEnded,
    PlanBranchOpened,
    PlanHappened,
    Pong,
    Refused,
    Request,
    RunOperations,
    RunPlan,
    Shutdown,
    Stats,
    Tree,
)

_LOGGER = logging.getLogger("palmette.server")


class EngineHost:
    """Serves one connection. Each call is a task; nothing here waits for the server to read.

    Where more than `max_unsent_bytes` wait to be read, the call that has more to say is cancelled with `SlowReader`.
    """

    def __init__(
        self,
        service: EngineService,
        connection: FrameConnection,
        max_unsent_bytes: int,
        on_end: Callable[[], None],
    ) -> None:
        """`on_end` is called when the server asks for the end, or the engine has failed."""
        self._service = service
        self._connection = connection
        self._max_unsent_bytes = max_unsent_bytes
        self._on_end = on_end
        self._branches: dict[int, LocalBranch] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._plan_branches: dict[int, list[int]] = {}
        """Ids of the branches that a plan has opened, by its call, until the server takes them over."""
        self._sign_of_life: Future[None] | None = None
        self._awaited_since = 0.0

    def receive(self, call_id: int, payload: bytes) -> None:
        """Take a message in; what cannot be read is answered as an invalid request."""
        try:
            request = REQUEST_DECODER.decode(payload)
        except (msgspec.DecodeError, RecursionError) as error:
            refusal = InvalidRequest(f"message to the engine's process: expected one that it can read, got {error}")
            self._send(call_id, Refused(record_of(refusal)))
            return
        self._take(call_id, request)

    def cancel_all(self) -> None:
        """Cancel all calls."""
        for task in self._calls.values():
            task.cancel()

    # --- calls

    def _take(self, call_id: int, request: Request) -> None:
        match request:
            case RunOperations():
                self._start(call_id, self._run(call_id, request))
            case RunPlan():
                self._start(call_id, self._run_plan(call_id, request))
            case CancelCall():
                self._cancel(call_id)
            case KeepBranches():
                self._plan_branches.pop(call_id, None)
            case CloseBranch():
                self._close(request.branch_id)
            case Ping():
                self._send(call_id, Pong(self._silence_s()))
            case Shutdown():
                self._on_end()
            case _:
                self._start(call_id, self._answer(call_id, request))

    def _start(self, call_id: int, call: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._calls[call_id] = task
        task.add_done_callback(lambda _: self._calls.pop(call_id, None))

    def _cancel(self, call_id: int) -> None:
        task = self._calls.pop(call_id, None)
        if task is not None:
            task.cancel()
        for branch_id in self._plan_branches.pop(call_id, ()):
            self._close(branch_id)

    async def _answer(self, call_id: int, request: Request) -> None:
        try:
            self._send(call_id, await self._result(request))
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            self._send(call_id, Refused(record_of(error)))

    async def _result(self, request: Request) -> Answer:
        service = self._service
        match request:
            case OpenBranch(seed=seed, cache_salt=cache_salt, terms=terms):
                return self._opened(await service.backend.open_branch(seed=seed, cache_salt=cache_salt, terms=terms))
            case ForkBranch(branch_id=branch_id, num_children=num_children):
                return self._opened(*await self._branch(branch_id).fork(num_children))
            case HoldBranch(branch_id=branch_id, seconds=seconds):
                await self._branch(branch_id).hold(seconds)
                return Done()
            case AskStats():
                return Stats(await service.stats())
            case AskTree(max_nodes=max_nodes, num_preview_tokens=num_preview_tokens):
                return Tree(await service.tree(max_nodes, num_preview_tokens))
            case Compile(constraints=constraints):
                refused = await service.compile(constraints)
                return Compiled({index: record_of(error) for index, error in refused.items()})
            case AskEnforcement(constraint=constraint):
                return Enforcement(*await service.enforcement(constraint))
            case FlushCache():
                await service.backend.aflush_cache()
                return Done()
            case _:
                raise InvalidRequest(f"message to the engine's process: got a {type(request).__name__} out of place")

    async def _run(self, call_id: int, request: RunOperations) -> None:
        error: Exception | None = None
        try:
            # The port says iterator; it is a generator, and to close it cancels what it has begun.
            events = cast("AsyncGenerator[Event, None]", self._branch(request.branch_id).run(request.operations))
            async with aclosing(events):
                async for event in events:
                    self._send_event(call_id, Happened(event))
        except Exception as failure:  # noqa: BLE001 - whoever asked is told
            error = failure
        self._send(call_id, Finished(None if error is None else record_of(error)))

    async def _run_plan(self, call_id: int, request: RunPlan) -> None:
        error: Exception | None = None
        is_cut = True
        seen = set(request.roots)
        opened = self._plan_branches[call_id] = []
        try:
            roots: dict[int, Branch] = {index: self._branch(each) for index, each in request.roots.items()}
            run = self._service.backend.run_plan(
                request.plan,
                roots,
                seed=request.seed,
                cache_salt=request.cache_salt,
                terms=request.terms,
                is_streaming=request.is_streaming,
            )

            def tell(told: Sequence[tuple[int, Event | BranchEnded]]) -> None:
                for index, item in told:
                    if index not in seen and (branch := run.branches.get(index)) is not None:
                        seen.add(index)
                        opened.append(self._adopt(branch))
                        self._send_event(call_id, PlanBranchOpened(index, branch.branch_id))
                    self._send_event(call_id, _plan_message(index, item))

            await run.deliver(tell)
            is_cut = False
        except Exception as failure:  # noqa: BLE001 - whoever asked is told
            error = failure
        finally:
            if is_cut:
                self._plan_branches.pop(call_id, None)
                for branch_id in opened:
                    self._close(branch_id)
        self._send(call_id, Finished(None if error is None else record_of(error)))

    # --- inside

    def _branch(self, branch_id: int) -> LocalBranch:
        branch = self._branches.get(branch_id)
        if branch is None:
            raise BranchClosed(f"branch {branch_id} has ended, it takes no more operations; open another")
        return branch

    def _close(self, branch_id: int) -> None:
        branch = self._branches.pop(branch_id, None)
        if branch is not None:
            branch.close_now()

    def _opened(self, *branches: LocalBranch) -> BranchesOpened:
        return BranchesOpened(tuple(self._adopt(branch) for branch in branches))

    def _adopt(self, branch: Branch) -> int:
        assert isinstance(branch, LocalBranch), branch
        self._branches[branch.branch_id] = branch
        return branch.branch_id

    def _send_event(self, call_id: int, message: Answer) -> None:
        """Send one of many. Raises: SlowReader, FrameTooLong."""
        num_unsent_bytes = self._connection.num_unsent_bytes
        if num_unsent_bytes > self._max_unsent_bytes:
            raise SlowReader(num_unsent_bytes, self._max_unsent_bytes)
        self._connection.send(call_id, message)

    def _send(self, call_id: int, message: Answer) -> None:
        """Send what ends a call; it is short, or replaced by what is."""
        try:
            self._connection.send(call_id, message)
        except FrameTooLong as error:
            self._connection.send(call_id, Refused(record_of(error)))

    def _silence_s(self) -> float:
        """How long the engine's loop has owed a sign of life; asks it for the next one."""
        now = time.monotonic()
        if self._sign_of_life is None or self._sign_of_life.done():
            try:
                self._sign_of_life = self._service.thread.ask(lambda _: None)
            except EngineClosed:
                _LOGGER.exception("the engine's loop has ended by itself; so does its process")
                self._on_end()
            self._awaited_since = now
        return now - self._awaited_since


def _plan_message(index: int, item: Event | BranchEnded) -> Answer:
    if not isinstance(item, BranchEnded):
        return PlanHappened(index, item)
    error = None if item.error is None else record_of(item.error)
    return PlanBranchEnded(index, error, item.operation_index)

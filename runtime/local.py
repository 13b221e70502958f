"""LocalBackend: the language's port over an engine in this process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from threading import Lock

from ..grammar.compiler import GrammarCompiler
from ..grammar.errors import GrammarError
from ..lang.events import Event, Forked
from ..lang.ir import Fork, Gen, Operation
from .delivery import Delivery, Mailbox
from .engine_thread import EngineThread
from .request import Ended, Request


class LocalBranch:
    """One branch of the engine, seen from an event loop."""

    def __init__(self, branch_id: int, backend: "LocalBackend") -> None:
        self._branch_id = branch_id
        self._backend = backend
        self._thread = backend.thread
        self._is_closed = False

    @property
    def branch_id(self) -> int:
        """Names this branch in `Join`."""
        return self._branch_id

    async def run(self, operations: Sequence[Operation]) -> AsyncIterator[Event]:
        """See `Branch`. Constraints are compiled on another thread first, so that the engine never waits for one.

        A constraint that does not compile is raised when the operations before it have run.
        """
        refused: tuple[int, GrammarError] | None = None
        for index, operation in enumerate(operations):
            if isinstance(operation, Gen) and operation.constraint is not None:
                try:
                    await asyncio.to_thread(self._backend.compiler.compile, operation.constraint)
                except GrammarError as error:
                    refused = index, error
                    operations = operations[:index]
                    break
        async with aclosing(self._run(operations)) as events:
            async for event in events:
                yield event
        if refused is not None:
            _blame(refused[1], refused[0])
            raise refused[1]

    async def _run(self, operations: Sequence[Operation]) -> AsyncGenerator[Event, None]:
        arrived: Mailbox = asyncio.Queue()
        delivery = self._backend.delivery()
        request = Request(self._branch_id, tuple(operations), lambda item: delivery.put(arrived, item))
        self._thread.tell(lambda core: core.submit(request))
        has_ended = False
        try:
            while True:
                item = await arrived.get()
                if isinstance(item, Ended):
                    has_ended = True
                    if item.error is not None:
                        _blame(item.error, item.operation_index)
                        raise item.error
                    return
                yield item
        finally:
            if not has_ended and not self._thread.is_closed:
                self._thread.tell(lambda core: core.cancel(request))

    async def fork(self, num_children: int) -> "list[LocalBranch]":
        """See `Branch`. Where the caller is cancelled meanwhile, the children are closed."""
        forking = asyncio.ensure_future(self._fork(num_children))
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(_close_all)
            raise

    async def _fork(self, num_children: int) -> "list[LocalBranch]":
        children: list[LocalBranch] = []
        async for event in self._run([Fork(num_children)]):
            if isinstance(event, Forked):
                children = [LocalBranch(each, self._backend) for each in event.branch_ids]
        return children

    async def close(self) -> None:
        """See `Branch`."""
        self.close_now()

    def close_now(self) -> None:
        """`close`, which waits for nothing."""
        if not self._is_closed and not self._thread.is_closed:
            self._is_closed = True
            self._thread.tell(lambda core: core.close_branch(self._branch_id))


class LocalBackend:
    """Opens branches on an engine thread."""

    def __init__(self, thread: EngineThread, compiler: GrammarCompiler) -> None:
        self.thread = thread
        self.compiler = compiler
        self._deliveries: dict[asyncio.AbstractEventLoop, Delivery] = {}
        self._lock = Lock()

    async def open_branch(self, *, seed: int | None = None, cache_salt: str = "") -> LocalBranch:
        """See `Backend`."""
        opening = asyncio.ensure_future(self._open(seed, cache_salt))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_all)
            raise

    async def _open(self, seed: int | None, cache_salt: str) -> LocalBranch:
        branch_id = await asyncio.wrap_future(self.thread.ask(lambda core: core.open_branch(seed, cache_salt)))
        return LocalBranch(branch_id, self)

    async def aflush_cache(self) -> None:
        """See `Backend`."""
        await asyncio.wrap_future(self.thread.ask(lambda core: core.flush_cache()))

    async def aclose(self) -> None:
        """End the engine's thread; waits for the step that runs, also while the interpreter goes down."""
        self.thread.close()

    def delivery(self) -> Delivery:
        """What carries events to the running event loop; loops of several threads may use one backend."""
        loop = asyncio.get_running_loop()
        with self._lock:
            delivery = self._deliveries.get(loop)
            if delivery is None:
                self._deliveries = {each: kept for each, kept in self._deliveries.items() if not each.is_closed()}
                delivery = self._deliveries[loop] = Delivery(loop)
            return delivery


def _blame(error: BaseException, operation_index: int | None) -> None:
    setattr(error, "operation_index", operation_index)  # noqa: B010 - errors of any type carry it


def _close_all(opened: "asyncio.Future[LocalBranch] | asyncio.Future[list[LocalBranch]]") -> None:
    """Close what was opened for somebody who no longer waits."""
    if opened.cancelled() or opened.exception() is not None:
        return
    result = opened.result()
    for branch in result if isinstance(result, list) else [result]:
        branch.close_now()

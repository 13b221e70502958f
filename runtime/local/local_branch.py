"""LocalBranch: one branch of an engine in this process, seen from an event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from ...lang.events import Event, Forked
from ...lang.ir import Fork, Gen, Operation
from ..errors import InvalidRequest
from ..request import Ended, Request
from ..ticket import Ticket
from .delivery import Mailbox
from .engine_link import EngineLink


class LocalBranch:
    """See `lang.backend.Branch`."""

    def __init__(self, branch_id: int, link: EngineLink, ticket: Ticket) -> None:
        """`ticket`: of all requests on this branch and on those forked from it."""
        self._branch_id = branch_id
        self._link = link
        self._ticket = ticket
        self._thread = link.thread
        self._is_closed = False

    @property
    def branch_id(self) -> int:
        """Names this branch in `Join`."""
        return self._branch_id

    @property
    def ticket(self) -> Ticket:
        """Its place among all that have arrived, that of the branch it was forked from."""
        return self._ticket

    async def run(self, operations: Sequence[Operation]) -> AsyncIterator[Event]:
        """See `Branch`. Constraints and stop regexes are compiled on another thread first: the engine waits for none.

        A constraint that does not compile is raised when the operations before it have run.
        """
        await self._link.watch_for(
            pattern for each in operations if isinstance(each, Gen) for pattern in each.params.stop_regex
        )
        readied = await self._link.compile(
            each.constraint for each in operations if isinstance(each, Gen) and each.constraint is not None
        )
        refused = readied.refused  # the grammars stay at hand until the last operation has ended
        end, error = len(operations), None
        for index, operation in enumerate(operations):
            if isinstance(operation, Gen) and operation.constraint in refused:
                end, error = index, refused[operation.constraint]
                break
        async with aclosing(self._run(operations[:end])) as events:
            async for event in events:
                yield event
        if error is not None:
            _blame(error, end)
            raise error

    async def _run(self, operations: Sequence[Operation]) -> AsyncGenerator[Event, None]:
        arrived: Mailbox = asyncio.Queue()
        delivery = self._link.delivery()
        request = Request(
            self._branch_id, tuple(operations), lambda item: delivery.put(arrived, item), ticket=self._ticket
        )
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
            forking.add_done_callback(close_all)
            raise

    async def _fork(self, num_children: int) -> "list[LocalBranch]":
        children: list[LocalBranch] = []
        async for event in self._run([Fork(num_children)]):
            if isinstance(event, Forked):
                children = [LocalBranch(each, self._link, self._ticket) for each in event.branch_ids]
        return children

    async def hold(self, seconds: float) -> None:
        """Keep the computed text of this idle branch in the engine's memory for that long, whoever else wants room.

        It ends with the next operation. Earlier only a text that runs alone, and fits no other way, takes the memory;
        what was taken is computed again when the branch goes on.
        """
        if not seconds >= 0:
            raise InvalidRequest(f"hold: expected seconds >= 0, got {seconds}")
        if not self._is_closed:
            self._thread.tell(lambda core: core.hold_branch(self._branch_id, seconds))

    async def close(self) -> None:
        """See `Branch`."""
        self.close_now()

    def close_now(self) -> None:
        """`close`, which waits for nothing."""
        if not self._is_closed and not self._thread.is_closed:
            self._is_closed = True
            self._thread.tell(lambda core: core.close_branch(self._branch_id))


def close_all(opened: "asyncio.Future[LocalBranch] | asyncio.Future[list[LocalBranch]]") -> None:
    """Close what was opened for somebody who no longer waits."""
    if opened.cancelled() or opened.exception() is not None:
        return
    result = opened.result()
    for branch in result if isinstance(result, list) else [result]:
        branch.close_now()


def _blame(error: BaseException, operation_index: int | None) -> None:
    setattr(error, "operation_index", operation_index)  # noqa: B010 - errors of any type carry it

"""RemoteBranch: a live branch on a server, and the closing of all that a client has open there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import msgspec

from ..events import Closing, Event, TextDelta, ValueReady
from ..ir import Operation
from ..wire import (
    BranchDone,
    BranchIds,
    CloseBody,
    ForkBody,
    HoldBody,
    OpenBody,
    OperationsBody,
    RunEnded,
    TextAdded,
    TokenAdded,
    TurnClosing,
    ValueMade,
    WireEvent,
)
from .connection import Connection, ConnectionSet
from .errors import ErrorReader, RemoteError, RemoteUnavailable


class RemoteBranch:
    """See `lang.backend.Branch` and `HoldingBranch`."""

    def __init__(self, branch_id: int, branches: "RemoteBranches") -> None:
        self._branch_id = branch_id
        self._branches = branches

    @property
    def branch_id(self) -> int:
        """What the server calls it."""
        return self._branch_id

    async def run(self, operations: Sequence[Operation]) -> AsyncIterator[Event]:
        """See `Branch`."""
        body = OperationsBody(tuple(operations))
        async with aclosing(self._branches.events(f"/v1/branches/{self._branch_id}/run", body)) as events:
            errors = ErrorReader()
            async for event in events:
                match event:
                    case BranchDone(error=None) | RunEnded(error=None):
                        pass
                    case BranchDone(error=wire, step=step) if wire is not None:
                        error = errors.read(wire)
                        setattr(error, "operation_index", step)  # noqa: B010 - errors of any type carry it
                        raise error
                    case RunEnded(error=wire) if wire is not None:
                        raise errors.read(wire)
                    case _:
                        heard = event_of(event)
                        if heard is not None:
                            yield heard

    async def fork(self, num_children: int) -> "list[RemoteBranch]":
        """See `Branch`. Where the caller is cancelled meanwhile, the children are closed."""
        return await self._branches.opened(f"/v1/branches/{self._branch_id}/fork", ForkBody(num_children))

    async def hold(self, seconds: float) -> None:
        """See `HoldingBranch`; the server may hold it for less."""
        await self._branches.connection.tell("POST", f"/v1/branches/{self._branch_id}/hold", HoldBody(seconds))

    async def close(self) -> None:
        """See `Branch`."""
        await self._branches.close(self._branch_id)


class RemoteBranches:
    """All branches that one client has open on its server."""

    def __init__(self, connections: ConnectionSet) -> None:
        self._connections = connections
        self._open: set[int] = set()
        self._closers: dict[asyncio.AbstractEventLoop, _Closer] = {}
        self._unwanted: set[asyncio.Task[None]] = set()

    @property
    def connection(self) -> Connection:
        """That of the running loop."""
        return self._connections.current()

    def add(self, branch_id: int) -> RemoteBranch:
        """A branch that the server has opened."""
        self._open.add(branch_id)
        return RemoteBranch(branch_id, self)

    def forget(self, branch_ids: Sequence[int]) -> None:
        """The server has closed these by itself."""
        self._open.difference_update(branch_ids)

    async def open(self, body: OpenBody) -> RemoteBranch:
        """A new, empty branch."""
        [branch] = await self.opened("/v1/branches", body)
        return branch

    async def opened(self, path: str, body: object) -> list[RemoteBranch]:
        """What the server opens when asked so; closed again where the caller does not wait for it."""

        async def ask() -> list[RemoteBranch]:
            answer = await self.connection.ask("POST", path, BranchIds, body)
            return [self.add(each) for each in answer.ids]

        opening = asyncio.ensure_future(ask())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._close_unwanted)
            raise

    async def events(self, path: str, body: object) -> AsyncGenerator[WireEvent, None]:
        """Post `body`, and yield the events that the server answers with, to the last: `RunEnded`.

        Raises: RemoteError; RemoteUnavailable where they break off.
        """
        connection = self.connection
        async with aclosing(connection.events(path, body)) as events:
            async for data in events:
                try:
                    event = _EVENTS.decode(data)
                except msgspec.DecodeError as error:
                    raise RemoteUnavailable(connection.url, f"an event that cannot be read: {error}") from error
                yield event
                if isinstance(event, RunEnded):
                    return
        raise RemoteUnavailable(connection.url, "an answer that broke off")

    async def close(self, branch_id: int) -> None:
        """Close one; those that are closed at the same time go in one request. A second call does nothing."""
        if branch_id not in self._open:
            return
        self._open.discard(branch_id)
        loop = asyncio.get_running_loop()
        if loop not in self._closers or self._closers[loop].is_sent:
            self._closers[loop] = _Closer(self.connection)
        await self._closers[loop].close(branch_id)

    async def close_all(self) -> None:
        """Close what is open."""
        ids = tuple(self._open)
        self._open.clear()
        self._closers.clear()
        if ids:
            await self.connection.ask("POST", "/v1/branches/close", BranchIds, CloseBody(ids))

    def _close_unwanted(self, opening: "asyncio.Future[list[RemoteBranch]]") -> None:
        if not opening.cancelled() and opening.exception() is None:
            for branch in opening.result():
                task = asyncio.get_running_loop().create_task(branch.close())
                self._unwanted.add(task)
                task.add_done_callback(self._unwanted.discard)


class _Closer:
    """One request that closes branches, sent when the loop has gone round once."""

    def __init__(self, connection: Connection) -> None:
        self.is_sent = False
        self._connection = connection
        self._ids: list[int] = []
        self._task = asyncio.get_running_loop().create_task(self._send())

    async def close(self, branch_id: int) -> None:
        """Return when it is closed."""
        self._ids.append(branch_id)
        await asyncio.shield(self._task)

    async def _send(self) -> None:
        await asyncio.sleep(0)
        self.is_sent = True
        await self._connection.ask("POST", "/v1/branches/close", BranchIds, CloseBody(tuple(self._ids)))


def event_of(event: WireEvent) -> Event | None:
    """What the language is told of an event; None: nothing."""
    match event:
        case TextAdded(step=step, text=text):
            return TextDelta(step, text)
        case TokenAdded(step=step, text=text, name=name, token_ids=token_ids):
            return TextDelta(step, text, name, token_ids)
        case ValueMade(step=step, name=name, timing=timing):
            result = event.samples if event.samples is not None else event.selection or event.score
            if result is None:
                raise RemoteError("InvalidEvent", f"expected a value of {name!r}, got an event without one")
            return ValueReady(step, name, result, timing)
        case TurnClosing(text=text):
            return Closing(text)
        case _:
            return None


_EVENTS: msgspec.json.Decoder[WireEvent] = msgspec.json.Decoder(WireEvent)

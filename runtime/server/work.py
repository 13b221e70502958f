"""run_generation: one branch's operations as events; RunningWork: what is being worked on, to be ended by its id."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from starlette.requests import Request

from ...lang.backend import Branch, PlanBackend
from ...lang.events import BranchEnded, Event
from ...lang.ir import Gen, Operation, Text, Tokens
from ...lang.plan import Branching, Plan, PlanBranch, Step
from ...lang.terms import DEFAULT_TERMS, Terms
from .api_error import ApiError

T = TypeVar("T")


class ClientGone(Exception):
    """Who asked has hung up; nobody reads what would be answered."""


@dataclass(eq=False)
class Work:
    """One request being worked on."""

    request_id: str
    endpoint: str
    """The path it came to."""
    tenant: str = ""
    """On whose key."""
    task: "asyncio.Task[object] | None" = None
    is_aborted: bool = False


@dataclass(eq=False)
class RunningWork:
    """All requests being worked on, by their id."""

    _works: dict[str, Work] = field(default_factory=dict)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def num_running(self) -> int:
        """Requests in flight."""
        return len(self._works)

    @contextmanager
    def enter(self, endpoint: str, *, request_id: str | None = None, tenant: str = "") -> Iterator[Work]:
        """Count a request as being worked on, by the task that is running.

        Raises: ApiError (409) where one with this id is at work, (499) where it was aborted meanwhile.
        """
        request_id = request_id or uuid.uuid4().hex
        if request_id in self._works:
            raise ApiError(409, "the id names a request that is still at work", param="rid", code="duplicate_id")
        work = Work(request_id, endpoint, tenant, asyncio.current_task())
        self._works[request_id] = work
        self._idle.clear()
        try:
            yield work
        except asyncio.CancelledError as error:
            if work.is_aborted:
                raise ApiError(499, "the request was aborted", type="server_error", code="aborted") from error
            raise
        finally:
            del self._works[request_id]
            if not self._works:
                self._idle.set()

    def abort(self, request_id: str, *, tenant: str | None = None) -> bool:
        """End a request; whether there was one. `tenant`: only if it is of this key."""
        work = self._works.get(request_id)
        if work is None or work.task is None or (tenant is not None and work.tenant != tenant):
            return False
        work.is_aborted = True
        work.task.cancel()
        return True

    def abort_all(self, *, tenant: str | None = None) -> int:
        """End all requests, of one key or of all; how many there were."""
        return sum(self.abort(request_id, tenant=tenant) for request_id in list(self._works))

    async def wait_idle(self) -> None:
        """Until nothing is being worked on."""
        if self._works:
            await self._idle.wait()


class HasBackend(Protocol):
    """Of `ServerParts`, what is needed here."""

    @property
    def backend(self) -> PlanBackend:
        """The engine's port."""
        ...


async def run_generation(
    parts: HasBackend,
    operations: Sequence[Operation],
    *,
    terms: Terms = DEFAULT_TERMS,
    cache_salt: str = "",
    seed: int | None = None,
) -> AsyncGenerator[Event, None]:
    """The events of a new branch that runs `operations`; it is closed when this ends, early or not.

    To be read under `contextlib.aclosing`. Raises what the backend raises; see `api_error`.
    """
    branch = await parts.backend.open_branch(seed=seed, cache_salt=cache_salt, terms=terms)
    try:
        async with _closing(branch.run(operations)) as events:
            async for event in events:
                yield event
    finally:
        await branch.close()


async def run_samples(
    parts: HasBackend,
    prompt: Sequence[Text | Tokens],
    gen: Gen | Sequence[Gen],
    num_samples: int,
    *,
    terms: Terms = DEFAULT_TERMS,
    cache_salt: str = "",
    seed: int | None = None,
    is_streaming: bool = True,
) -> AsyncGenerator[tuple[int, Event], None]:
    """(sample, event) of `num_samples` generations after one prompt, whose text they share.

    gen: of one sample; one for all, or one for each.
    To be read under `contextlib.aclosing`. Raises what the first sample to fail raises; the others are given up.
    """
    plan = _samples_plan(prompt, [gen] * num_samples if isinstance(gen, Gen) else gen)
    run = parts.backend.run_plan(plan, {}, seed=seed, cache_salt=cache_salt, terms=terms, is_streaming=is_streaming)
    offset = 0 if num_samples == 1 else 1
    try:
        async with _closing(run.events()) as events:
            async for index, event in events:
                if isinstance(event, BranchEnded):
                    if event.error is not None:
                        raise event.error
                elif index >= offset:
                    yield index - offset, event
    finally:
        await _close_all(run.branches)


def _samples_plan(prompt: Sequence[Text | Tokens], gens: Sequence[Gen]) -> Plan:
    steps: tuple[Step, ...] = tuple(prompt)
    if len(gens) == 1:
        return Plan("request", (), (PlanBranch("sample", None, (*steps, gens[0])),))
    children = tuple(range(1, len(gens) + 1))
    root = PlanBranch("prompt", None, (*steps, Branching(children)))
    samples = (PlanBranch(f"sample {index}", 0, (gen,)) for index, gen in zip(children, gens, strict=True))
    return Plan("request", (), (root, *samples))


async def _close_all(branches: Mapping[int, Branch]) -> None:
    for branch in list(branches.values()):
        await branch.close()


@asynccontextmanager
async def _closing(events: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T], None]:
    """`aclosing`, for an iterator that the port does not promise to be a generator."""
    if isinstance(events, AsyncGenerator):
        async with aclosing(events):
            yield events
    else:
        yield events


async def unless_gone(request: Request, answer: Awaitable[T]) -> T:
    """What `answer` gives; given up where the client hangs up before. The body must have been read.

    Raises: ClientGone; what `answer` raises.
    """
    working = asyncio.ensure_future(answer)
    watching = asyncio.ensure_future(client_gone(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})


async def client_gone(request: Request) -> None:
    """Until the client has hung up."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return

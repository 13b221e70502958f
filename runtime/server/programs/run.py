"""/v1/programs/{id}/run, and /v1/programs/run: a whole program runs in the engine, and its events are the reply."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing, nullcontext

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ....lang.backend import Branch
from ....lang.terms import Terms
from ....lang.wire import PlanBody
from ..bodies import documented, read_body
from ..event_stream import EventStream
from ..parts import ServerParts
from ..work import unless_gone
from .branch_leases import BranchLeases
from .plan_work import PlanWork, wire_frame
from .program_store import ProgramStore
from .program_terms import program_seed, program_terms, tenant_of
from .register import check_registrable
from .run_result import run_result


class RunBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of a registered program."""

    arguments: dict[str, str | int | float | bool | None] = {}
    """For each of the program's parameters, as text shows it."""
    stream: bool = False
    """Events as they happen; else one reply when all has ended."""
    seed: int | None = None
    """The key of all noise of the run."""
    cache_salt: str = ""
    priority: int = 0
    queue_timeout_s: float | None = None
    timeout_s: float | None = None
    rid: str | None = None
    """The id by which `/abort_request` ends it."""


def add_routes(router: APIRouter, parts: ServerParts, store: ProgramStore, leases: BranchLeases) -> None:
    """The routes that run programs."""
    heartbeat_s = parts.settings.stream.heartbeat_s

    @router.post("/v1/programs/{program_id}/run", openapi_extra=documented(RunBody, may_stream=True))
    async def run(request: Request, program_id: str) -> Response:
        """Run a registered program; its branches are closed when it has ended."""
        body = await read_body(request, RunBody, parts.settings.limits)
        tenant = tenant_of(request)
        plan = store.get(tenant, program_id).plan.bind(body.arguments)
        terms = Terms(priority=body.priority, queue_timeout_s=body.queue_timeout_s, timeout_s=body.timeout_s)
        work = PlanWork(
            parts,
            program_id,
            plan,
            tenant,
            program_seed(body.seed),
            body.cache_salt,
            program_terms(request, terms, parts.settings.defaults),
            body.stream,
        )
        if not body.stream:
            return await unless_gone(request, run_result(work, body.rid))
        return await EventStream.begun(request, _frames(work, {}, body.rid), heartbeat_s=heartbeat_s)

    @router.post("/v1/programs/run", response_class=EventStream, openapi_extra=documented(PlanBody))
    async def run_plan(request: Request) -> Response:
        """Run a plan for a client that goes on with its branches; see `palmette.RuntimeEndpoint`."""
        body = await read_body(request, PlanBody, parts.settings.limits)
        tenant = tenant_of(request)
        await asyncio.to_thread(check_registrable, body.plan, parts.settings, body.roots)
        leases.check_room(tenant, len(body.plan.branches) - len(body.roots))
        work = PlanWork(
            parts,
            body.plan.name,
            body.plan,
            tenant,
            program_seed(body.seed),
            body.cache_salt,
            program_terms(request, body.terms, parts.settings.defaults),
            body.stream,
            leases,
        )
        return await EventStream.begun(request, _frames(work, body.roots), heartbeat_s=heartbeat_s)


async def _frames(
    plan_work: PlanWork, roots: dict[int, int], request_id: str | None = None
) -> AsyncGenerator[bytes, None]:
    running, leases = plan_work.parts.running, plan_work.leases
    using: AbstractContextManager[list[Branch]] = nullcontext([])
    if leases is not None:
        using = leases.using(plan_work.tenant, roots.values())
    with running.enter("/v1/programs", request_id=request_id, tenant=plan_work.tenant) as work, using as live:
        run = plan_work.begin(dict(zip(roots, live, strict=True)))
        async with aclosing(plan_work.told(run, work)) as told:
            async for event in told:
                yield wire_frame(event)

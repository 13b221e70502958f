"""/v1/branches: live branches that a client goes on with, as `lang.backend.Branch` over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ....lang.backend import HoldingBranch
from ....lang.ir import Join, Operation
from ....lang.wire import (
    BranchDone,
    BranchIds,
    CloseBody,
    ForkBody,
    HoldBody,
    OpenBody,
    OperationsBody,
    RunEnded,
    RunStarted,
)
from ..api_error import refused
from ..bodies import documented, read_body
from ..event_stream import EventStream
from ..parts import ServerParts
from ..settings import LimitSettings
from .branch_leases import BranchLeases
from .plan_story import said
from .plan_work import wire_frame
from .program_terms import program_seed, program_terms, tenant_of
from .step_check import check_step
from .wire_errors import WireErrors

_MAX_HOLD_S = 600.0


def add_routes(router: APIRouter, parts: ServerParts, leases: BranchLeases) -> None:
    """The routes of live branches."""
    limits = parts.settings.limits

    @router.post("/v1/branches", openapi_extra=documented(OpenBody, BranchIds))
    async def open_branch(request: Request) -> Response:
        """Open a new, empty branch."""
        body = await read_body(request, OpenBody, limits)
        leases.check_room(tenant_of(request), 1)
        seed = program_seed(body.seed)
        terms = program_terms(request, body.terms, parts.settings.defaults)
        branch = await parts.backend.open_branch(seed=seed, cache_salt=body.cache_salt, terms=terms)
        return _json(BranchIds((leases.add(tenant_of(request), branch),)))

    @router.post("/v1/branches/close", openapi_extra=documented(CloseBody, BranchIds))
    async def close(request: Request) -> Response:
        """Close branches; ids that are not open are passed over."""
        body = await read_body(request, CloseBody, limits)
        return _json(BranchIds(tuple(await leases.close(tenant_of(request), body.ids))))

    @router.post("/v1/branches/{branch_id}/run", response_class=EventStream, openapi_extra=documented(OperationsBody))
    async def run(request: Request, branch_id: str) -> Response:
        """Run operations on a branch; what happens is the reply."""
        body = await read_body(request, OperationsBody, limits)
        if not body.operations:
            raise refused("operations", "at least one", 0)
        await asyncio.to_thread(_check_operations, body.operations, limits)
        frames = _frames(parts, leases, tenant_of(request), leases.read_id(branch_id), body.operations)
        return await EventStream.begun(request, frames, heartbeat_s=parts.settings.stream.heartbeat_s)

    @router.post("/v1/branches/{branch_id}/fork", openapi_extra=documented(ForkBody, BranchIds))
    async def fork(request: Request, branch_id: str) -> Response:
        """Branches that begin with all of this one."""
        body = await read_body(request, ForkBody, limits)
        tenant = tenant_of(request)
        if body.num_children < 1:
            raise refused("num_children", "an integer >= 1", body.num_children)
        leases.check_room(tenant, body.num_children)
        with leases.using(tenant, [leases.read_id(branch_id)]) as [branch]:
            children = await branch.fork(body.num_children)
        return _json(BranchIds(tuple(leases.add(tenant, child) for child in children)))

    @router.post("/v1/branches/{branch_id}/hold", openapi_extra=documented(HoldBody))
    async def hold(request: Request, branch_id: str) -> Response:
        """Keep what is computed of a branch that rests, for at most so long."""
        body = await read_body(request, HoldBody, limits)
        if not 0 <= body.seconds <= _MAX_HOLD_S:
            raise refused("seconds", f"a number from 0 to {_MAX_HOLD_S:g}", body.seconds)
        with leases.using(tenant_of(request), [leases.read_id(branch_id)]) as [branch]:
            is_held = isinstance(branch, HoldingBranch)
            if isinstance(branch, HoldingBranch):
                await branch.hold(body.seconds)
        return _json({"held": is_held})


def _check_operations(operations: Sequence[Operation], limits: LimitSettings) -> None:
    for index, operation in enumerate(operations):
        check_step(operation, f"operations[{index}]", limits)


async def _frames(
    parts: ServerParts, leases: BranchLeases, tenant: str, branch_id: int, operations: Sequence[Operation]
) -> AsyncGenerator[bytes, None]:
    errors = WireErrors()
    joined = dict.fromkeys(
        each for operation in operations if isinstance(operation, Join) for each in operation.branch_ids
    )
    with (
        parts.running.enter("/v1/branches", tenant=tenant) as work,
        leases.using(tenant, [branch_id]) as [branch],
        leases.using(tenant, joined) as children,
    ):
        ids = {wire_id: child.branch_id for wire_id, child in zip(joined, children, strict=True)}
        events = branch.run([_with_own_ids(operation, ids) for operation in operations])
        yield wire_frame(RunStarted(work.request_id, ""))
        failure = None
        try:
            async for event in events:
                yield wire_frame(said(0, event))
        except Exception as error:  # noqa: BLE001 - whoever reads the stream is told
            failure = errors.write(error)
            step = getattr(error, "operation_index", None)
            yield wire_frame(BranchDone(0, step if isinstance(step, int) else None, failure))
        else:
            yield wire_frame(BranchDone(0))
        finally:
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()
        yield wire_frame(RunEnded(failure))


def _with_own_ids(operation: Operation, ids: dict[int, int]) -> Operation:
    if not isinstance(operation, Join):
        return operation
    return Join(tuple(ids[each] for each in operation.branch_ids))


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")

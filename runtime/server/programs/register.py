"""/v1/programs: register a traced program by its plan, look at it, and forget it."""

import asyncio
from collections.abc import Collection

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ....lang.plan import PLAN_VERSION, Plan
from ...plans.plan_check import check_plan
from ..api_error import refused
from ..bodies import documented, read_body
from ..parts import ServerParts
from ..settings import ServerSettings
from .program_store import ProgramStore
from .program_terms import tenant_of
from .step_check import check_step


def add_routes(router: APIRouter, parts: ServerParts, store: ProgramStore) -> None:
    """The routes that keep programs."""

    @router.post("/v1/programs", responses={201: {"description": "It is new"}}, openapi_extra=documented(Plan))
    async def register(request: Request) -> Response:
        """Register a plan, as `plan.to_json()` writes it; the same plan has the same id. 201 where it is new."""
        plan = await read_body(request, Plan, parts.settings.limits)
        await asyncio.to_thread(check_registrable, plan, parts.settings)
        program, is_new = store.add(tenant_of(request), plan)
        return JSONResponse(program.summary(), 201 if is_new else 200)

    @router.get("/v1/programs")
    async def programs(request: Request) -> Response:
        """All programs of this key, the oldest first."""
        data = [program.summary() for program in store.of(tenant_of(request))]
        return JSONResponse({"object": "list", "data": data})

    @router.get("/v1/programs/{program_id}")
    async def program(request: Request, program_id: str) -> Response:
        """One program, with its plan, and the plan drawn as a tree."""
        stored = store.get(tenant_of(request), program_id)
        body = {**stored.summary(), "plan": msgspec.to_builtins(stored.plan), "tree": str(stored.plan)}
        return Response(msgspec.json.encode(body), media_type="application/json")

    @router.delete("/v1/programs/{program_id}")
    async def forget(request: Request, program_id: str) -> Response:
        """Forget a program; runs of it go on."""
        store.remove(tenant_of(request), program_id)
        return JSONResponse({"id": program_id, "object": "program", "deleted": True})


def check_registrable(plan: Plan, settings: ServerSettings, roots: Collection[int] = ()) -> None:
    """Refuse a plan that cannot run, whatever its arguments; to be called in a thread.

    roots: those of its branches that are open already.

    Raises: ApiError, InvalidRequest.
    """
    if plan.version != PLAN_VERSION:
        raise refused("version", f"a plan of version {PLAN_VERSION}", plan.version, "trace the program again")
    limit = settings.programs.max_plan_branches
    if len(plan.branches) > limit:
        raise refused("branches", f"at most {limit}", len(plan.branches))
    for index, branch in enumerate(plan.branches):
        for number, step in enumerate(branch.steps):
            check_step(step, f"branches[{index}].steps[{number}]", settings.limits)
    check_plan(plan.bind(dict.fromkeys(plan.parameters, "")), roots)

"""`/dashboard`: the page, what it shows, and the playground."""

import asyncio

from fastapi import APIRouter, Request, Response

from ..bodies import documented, read_body
from ..event_stream import EventStream
from ..metrics.exposition import current_stats
from ..parts import ServerParts
from ..programs.program_terms import program_seed
from .page import page
from .play import play
from .play_body import PlayBody, play_operations
from .play_program import PlayProgramBody, play_plan, play_program
from .state import dashboard_state


def router(parts: ServerParts) -> APIRouter:
    """The page is open to all, since it holds nothing; the rest needs an admin's key, where there are keys."""
    routes = APIRouter(prefix="/dashboard", tags=["observing"])

    @routes.get("", response_class=Response, responses={200: {"content": {"text/html": {}}}})
    async def read_page() -> Response:
        """The dashboard."""
        html, policy = page()
        headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        return Response(html, media_type="text/html", headers=headers)

    @routes.get("/state")
    async def read_state() -> Response:
        """All that the page shows, at this moment."""
        body = await dashboard_state(parts, await current_stats(parts))
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    @routes.post("/play", response_class=EventStream, openapi_extra=documented(PlayBody))
    async def run_play(request: Request) -> Response:
        """Generate, and stream each token with its probability and its rivals."""
        body = await read_body(request, PlayBody, parts.settings.limits)
        operations = play_operations(body, parts)
        frames = play(parts, operations, body.seed)
        return await EventStream.begun(request, frames, heartbeat_s=parts.settings.stream.heartbeat_s)

    @routes.post("/play/program", response_class=EventStream, openapi_extra=documented(PlayProgramBody))
    async def run_play_program(request: Request) -> Response:
        """Run a program, and stream what its branches do."""
        body = await read_body(request, PlayProgramBody, parts.settings.limits)
        plan = await asyncio.to_thread(play_plan, body, parts)
        frames = play_program(parts, plan, program_seed(body.seed))
        return await EventStream.begun(request, frames, heartbeat_s=parts.settings.stream.heartbeat_s)

    return routes

"""`/metrics`: what Prometheus reads."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ...errors import EngineClosed
from ..parts import ServerParts

STATS_TIMEOUT_S = 2.0
"""An engine that has not answered by then is reported as down; a scrape must not hang with it."""


async def current_stats(parts: ServerParts) -> Mapping[str, float] | None:
    """The engine's counters; None where it does not answer in time, or is not there."""
    if not parts.health().is_alive:
        return None
    try:
        return await asyncio.wait_for(parts.stats(), STATS_TIMEOUT_S)
    except (TimeoutError, ConnectionError, EngineClosed):
        return None


def router(parts: ServerParts) -> APIRouter:
    """`/metrics`."""
    routes = APIRouter(tags=["observing"])

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def read_metrics() -> Response:
        """Counters, gauges and timings in Prometheus' text format; `docs/metrics.md` lists them."""
        text = parts.observation.metrics.render(await current_stats(parts), parts.num_restarts())
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return routes

"""Health, what is served, the cache and running requests, as SGLang's clients ask for them."""

from contextlib import aclosing
from importlib.metadata import version

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ....lang.ir import Gen, Tokens
from ....lang.sampling_params import SamplingParams
from ....lang.terms import Terms
from ..api_error import ApiError
from ..bodies import documented, read_body
from ..openai.models import json_response
from ..parameters import Parameter
from ..parts import ServerParts
from ..work import run_generation, unless_gone

_HEALTH_TIMEOUT_S = 20.0


class AbortBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which request to end; `abort_all`: all of this key."""

    rid: str | None = None
    abort_all: bool = False
    abort_message: str | None = None


ABORT_PARAMETERS = (
    Parameter("rid", "/abort_request", "supported", "the id of the request to end, if it is of the same key"),
    Parameter("abort_all", "/abort_request", "supported", "end all requests of the same key"),
    Parameter("abort_message", "/abort_request", "ignored", "who asked is told that the request was aborted"),
)


def router(parts: ServerParts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["native"])

    @routes.get("/health", response_class=Response, summary="Whether the engine is there; asks nothing of it")
    async def health() -> Response:
        _check_alive(parts)
        return Response(status_code=200)

    @routes.get("/health_generate", response_class=Response, summary="Whether the engine generates")
    async def health_generate(request: Request) -> Response:
        _check_alive(parts)
        await unless_gone(request, _generate_one(parts))
        return Response(status_code=200)

    @routes.get("/get_model_info", summary="What is served")
    @routes.get("/model_info", include_in_schema=False)
    async def model_info() -> Response:
        return json_response(
            {
                "model_path": parts.model_name,
                "served_model_name": parts.model_name,
                "tokenizer_path": parts.model_name,
                "is_generation": True,
                "preferred_sampling_params": None,
                "weight_version": "default",
                "tool_call_parser": parts.call_format,
                "has_image_understanding": False,
                "has_audio_understanding": False,
                "max_context_length": parts.context_len,
                "vocab_size": parts.tokenizer.vocab_size,
            }
        )

    @routes.get("/get_server_info", summary="How it is served, and the engine's counters")
    @routes.get("/server_info", include_in_schema=False)
    async def server_info() -> Response:
        return json_response(
            {
                "version": version("palmette"),
                "model_path": parts.model_name,
                "served_model_name": parts.model_name,
                "context_length": parts.context_len,
                "limits": parts.settings.limits,
                "num_running_requests": parts.running.num_running,
                "internal_states": [await parts.stats()],
            }
        )

    @routes.post("/flush_cache", response_class=PlainTextResponse, summary="Forget cached prefixes that nothing uses")
    async def flush_cache() -> Response:
        await parts.backend.aflush_cache()
        return PlainTextResponse("Cache flushed.\n")

    aborting = documented(AbortBody)

    @routes.post("/abort_request", response_class=Response, summary="End a request by its id", openapi_extra=aborting)
    async def abort_request(request: Request) -> Response:
        body = await read_body(request, AbortBody, parts.settings.limits)
        tenant = str(request.state.tenant)
        if body.abort_all:
            parts.running.abort_all(tenant=tenant)
        elif body.rid:
            parts.running.abort(body.rid, tenant=tenant)
        else:
            raise ApiError(400, "rid: required, unless abort_all is true", param="rid", code="missing_parameter")
        return Response(status_code=200)  # also where it has ended already, as that cannot be known beforehand

    return routes


def _check_alive(parts: ServerParts) -> None:
    health = parts.health()
    if not health.is_alive:
        message = f"the engine does not answer: {health.reason}" if health.reason else "the engine does not answer"
        raise ApiError(503, message, type="server_error", code="engine_down", retry_after_s=5)


async def _generate_one(parts: ServerParts) -> None:
    operations = (Tokens((0,)), Gen("health", SamplingParams(max_new_tokens=1, temperature=0)))
    terms = Terms(priority=1, tenant="health", timeout_s=_HEALTH_TIMEOUT_S)
    async with aclosing(run_generation(parts, operations, terms=terms)) as events:
        async for _ in events:
            pass

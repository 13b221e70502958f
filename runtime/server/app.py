"""create_app: the endpoints of all areas, behind one door, as an ASGI application."""

import logging
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from .api_error import ApiError, ErrorType, api_error
from .dashboard import routes as dashboard_routes
from .door import Door
from .keys import Keys
from .metrics import exposition
from .metrics.response_counter import ResponseCounter
from .native import decisions, generate, info, tokenize
from .observed_parts import observed
from .openai import chat, completions, embeddings, models, render
from .openai.responses import routes as response_routes
from .openapi_document import finished
from .parts import ServerParts
from .programs import routes as program_routes
from .work import ClientGone

_log = logging.getLogger("palmette.server")

ROUTERS: tuple[Callable[[ServerParts], APIRouter], ...] = (
    chat.router,
    models.router,
    render.router,
    response_routes.router,
    completions.router,
    embeddings.router,
    generate.router,
    info.router,
    tokenize.router,
    decisions.router,
    program_routes.router,
    exposition.router,
    dashboard_routes.router,
)
"""One for each area; append yours."""


def create_app(parts: ServerParts) -> FastAPI:
    """The application over `parts`, which outlive it."""
    parts = observed(parts)
    app = FastAPI(title="palmette", root_path=parts.settings.bind.root_path, redirect_slashes=False)
    for router in ROUTERS:
        app.include_router(router(parts))
    # The last added is the first passed: CORS's headers must be on what the door refuses, too.
    app.add_middleware(Door, keys=Keys(parts.settings.keys), limits=parts.settings.limits)
    if parts.settings.bind.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(parts.settings.bind.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(ResponseCounter, counter=parts.observation.metrics.http_responses)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(ClientGone, _answer_nobody)
    for kind in (ApiError, ValueError, Exception):
        app.add_exception_handler(kind, _answer_error)
    plain_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = finished(plain_openapi())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to change it
    return app


async def _answer_error(_: Request, error: Exception) -> Response:
    answer = api_error(error)
    if answer.status >= 500:
        _log.error("a request failed", exc_info=error)
    return answer.response()


async def _answer_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), error
    kind: ErrorType = "not_found_error" if error.status_code == 404 else "invalid_request_error"
    message = "there is no such path" if error.status_code == 404 else str(error.detail)
    response = ApiError(error.status_code, message, type=kind).response()
    response.headers.update(error.headers or {})
    return response


async def _answer_nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=499)

"""`/v1/responses` and what is below it."""

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...api_error import ApiError, refused, shown
from ...bodies import read_body
from ...event_stream import EventStream
from ...parameters import refusals
from ...parts import ServerParts
from ...work import unless_gone
from ..models import json_response
from .conversation import Item
from .create_document import documented_create
from .create_types import CreateResponse
from .generation import PATH
from .output_types import Response as ResponseObject
from .response_desk import ResponseDesk
from .response_parameters import RESPONSE_PARAMETERS
from .response_store import ResponseStore, StoredResponse

_REFUSALS = refusals(RESPONSE_PARAMETERS)
_MAX_PAGE = 100
_DEFAULT_PAGE = 20


def router(parts: ServerParts) -> APIRouter:
    """The routes, over a store of their own."""
    routes = APIRouter(tags=["OpenAI"])
    desk = ResponseDesk(parts, ResponseStore(parts.settings.responses))
    heartbeat_s = parts.settings.stream.heartbeat_s

    @routes.post(PATH, summary="A response to a text or to the items of a conversation", openapi_extra=_CREATE)
    async def create_response(request: Request) -> Response:
        body = await read_body(request, CreateResponse, parts.settings.limits, _REFUSALS)
        tenant: str = request.state.tenant
        job = await desk.job(body, tenant)
        if body.background:
            run = desk.begin(job, tenant)
            if body.stream:
                return EventStream(run.frames(None), heartbeat_s=heartbeat_s)
            return json_response(run.response)
        if body.stream:
            return await EventStream.begun(request, desk.frames(job, tenant), heartbeat_s=heartbeat_s)
        return json_response(await unless_gone(request, desk.whole(job, tenant)))

    @routes.post(f"{PATH}/input_tokens", summary="How long a prompt would be", openapi_extra=_COUNT)
    async def count_input_tokens(request: Request) -> Response:
        body = await read_body(request, CreateResponse, parts.settings.limits, _REFUSALS)
        job = await desk.job(body, request.state.tenant)
        return json_response(InputTokens(input_tokens=len(job.chat.prompt.token_ids)))

    @routes.get(f"{PATH}/{{response_id}}", summary="A stored response", openapi_extra=_STREAMED)
    async def retrieve_response(request: Request, response_id: str) -> Response:
        run = _stored(desk, request, response_id).run
        if not _flag(request, "stream"):
            return json_response(run.response)
        if not run.is_background:
            raise refused("stream", "a response that was made in the background", response_id)
        return EventStream(run.frames(_number(request, "starting_after", 0, None)), heartbeat_s=heartbeat_s)

    @routes.post(f"{PATH}/{{response_id}}/cancel", summary="End a response in the background")
    async def cancel_response(request: Request, response_id: str) -> Response:
        run = _stored(desk, request, response_id).run
        if not run.is_background:
            raise refused("response_id", "a response that was made in the background", response_id)
        await run.cancel()
        return json_response(run.response)

    @routes.delete(f"{PATH}/{{response_id}}", summary="Forget a response")
    async def delete_response(request: Request, response_id: str) -> Response:
        stored = _stored(desk, request, response_id)
        await stored.run.cancel()
        desk.store.remove(stored)
        return json_response({"id": response_id, "object": "response", "deleted": True})

    @routes.get(
        f"{PATH}/{{response_id}}/input_items",
        summary="What a response answers, the conversation before it included",
        openapi_extra=_query("limit", "order", "after"),
    )
    async def list_input_items(request: Request, response_id: str) -> Response:
        stored = _stored(desk, request, response_id)
        items = stored.conversation.items()
        num_said = len(stored.run.response.output) if stored.run.is_ended else 0
        return json_response(_page(request, items[: len(items) - num_said]))

    return routes


def _query(*names: str) -> dict[str, Any]:
    """`openapi_extra` of a route with these in its query."""
    return {"parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]}


class InputTokens(msgspec.Struct, kw_only=True):
    """How long a prompt would be."""

    object: str = "response.input_tokens"
    input_tokens: int


_CREATE = documented_create(ResponseObject, may_stream=True)
_COUNT = documented_create(InputTokens, may_stream=False)
_STREAMED = {
    **_query("stream", "starting_after"),
    "responses": {"200": {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
}


def _stored(desk: ResponseDesk, request: Request, response_id: str) -> StoredResponse:
    stored = desk.store.get(request.state.tenant, response_id)
    if stored is None:
        raise ApiError(
            404,
            f"no stored response has the id {shown(response_id)}",
            type="not_found_error",
            param="response_id",
            code="response_not_found",
        )
    return stored


class _Page(msgspec.Struct):
    data: list[Item]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: str = "list"


def _page(request: Request, items: list[Item]) -> _Page:
    """A part of the items, as the query says."""
    limit = _number(request, "limit", 1, _MAX_PAGE) or _DEFAULT_PAGE
    order = request.query_params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise refused("order", "'asc' or 'desc'", order)
    listed = items if order == "asc" else items[::-1]
    after = request.query_params.get("after")
    if after is not None:
        position = next((index for index, item in enumerate(listed) if item["id"] == after), None)
        if position is None:
            raise refused("after", "the id of an item in the list", after)
        listed = listed[position + 1 :]
    page = listed[:limit]
    first_id, last_id = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    return _Page(page, len(listed) > limit, first_id, last_id)


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false").lower()
    if given not in ("true", "false", "1", "0"):
        raise refused(name, "true or false", given)
    return given in ("true", "1")


def _number(request: Request, name: str, least: int, most: int | None) -> int | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    # A number of more digits is none that is meant here.
    number = int(given) if given.isascii() and given.isdecimal() and len(given) < 16 else None
    if number is None or number < least or (most is not None and number > most):
        raise refused(name, f"a whole number from {least}" + ("" if most is None else f" to {most}"), given)
    return number

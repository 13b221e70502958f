"""`/v1/chat/completions`: a reply to a conversation, held to what was asked of it."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..bodies import documented, read_body
from ..event_stream import EventStream
from ..parameters import refusals
from ..parts import ServerParts
from ..work import unless_gone
from .chat_job import ChatJob, chat_job
from .chat_parameters import CHAT_PARAMETERS
from .chat_reply import ChatCompletion, whole_reply
from .chat_stream import reply_frames
from .chat_types import ChatRequest
from .models import json_response

PATH = "/v1/chat/completions"

_REFUSALS = refusals(CHAT_PARAMETERS)


def router(parts: ServerParts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["OpenAI"])

    document = documented(ChatRequest, ChatCompletion, may_stream=True)

    @routes.post(PATH, summary="A reply to a conversation", openapi_extra=document)
    async def create_chat_completion(request: Request) -> Response:
        job = await read_chat_job(parts, request)
        tenant: str = request.state.tenant
        if job.is_stream:
            frames = reply_frames(parts, job, tenant)
            return await EventStream.begun(request, frames, heartbeat_s=parts.settings.stream.heartbeat_s)
        return json_response(await unless_gone(request, _whole(parts, job, tenant)))

    return routes


async def read_chat_job(parts: ServerParts, request: Request) -> ChatJob:
    """The request, read and checked; what takes long is done in a thread. Raises: ApiError, ClientGone."""
    body = await read_body(request, ChatRequest, parts.settings.limits, _REFUSALS)
    return await asyncio.to_thread(chat_job, parts, body, request.state.tenant, may_choose=True)


async def _whole(parts: ServerParts, job: ChatJob, tenant: str) -> ChatCompletion:
    with parts.running.enter(PATH, request_id=job.reply_id, tenant=tenant):
        return await whole_reply(parts, job)

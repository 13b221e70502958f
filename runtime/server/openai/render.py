"""`/v1/chat/completions/render`: what a chat request would give the model to read, and hold it to; nothing is run."""

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..bodies import documented
from ..parts import ServerParts
from .chat import PATH, read_chat_job
from .chat_types import ChatRequest
from .models import json_response


def router(parts: ServerParts) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post(f"{PATH}/render", summary="The prompt of a chat request", openapi_extra=documented(ChatRequest))
    async def render_chat_completion(request: Request) -> Response:
        job = await read_chat_job(parts, request)
        return json_response(
            {
                "object": "chat.completion.render",
                "model": job.model,
                "prompt": job.prompt.text,
                "token_ids": job.prompt.token_ids,
                "num_tokens": len(job.prompt.token_ids),
                "sampling_params": msgspec.to_builtins(job.gen.params, str_keys=True),
                "constraint": msgspec.to_builtins(job.gen.constraint),
            }
        )

    return routes

"""`/v1/models`: the one model that is served."""

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from ..api_error import ApiError, shown
from ..parts import ServerParts


class ModelCard(msgspec.Struct):
    """A model, in OpenAI's words and with the length that clients of vLLM and SGLang ask for."""

    id: str
    created: int
    max_model_len: int
    object: str = "model"
    owned_by: str = "palmette"


def router(parts: ServerParts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["OpenAI"])
    card = ModelCard(parts.model_name, parts.created, parts.context_len)

    @routes.get("/v1/models", summary="The models that are served")
    async def list_models() -> Response:
        return json_response({"object": "list", "data": [card]})

    @routes.get("/v1/models/{model_id:path}", summary="One model")
    async def retrieve_model(model_id: str) -> Response:
        check_model(parts, model_id)
        return json_response(card)

    return routes


def check_model(parts: ServerParts, model: str | None) -> None:
    """Raise `ApiError` (404) where another model is meant; None means the one there is, and so does "default"."""
    if model is not None and model not in (parts.model_name, "default"):
        raise ApiError(
            404,
            f"model: expected {parts.model_name!r}, got {shown(model)}",
            type="not_found_error",
            param="model",
            code="model_not_found",
        )


def json_response(value: object, status: int = 200) -> Response:
    """A reply of plain values and structs."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")

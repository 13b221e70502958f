"""`/v1/embeddings`: refused, in words that say why."""

from fastapi import APIRouter
from starlette.responses import Response

from ..api_error import ApiError
from ..parameters import Parameter
from ..parts import ServerParts

PATH = "/v1/embeddings"
_REASON = "the engine serves text and probabilities, no hidden states"

EMBEDDING_PARAMETERS = tuple(
    Parameter(name, PATH, "refused", _REASON) for name in ("input", "model", "dimensions", "encoding_format", "user")
)


def router(parts: ServerParts) -> APIRouter:
    """The route, so that a client is told what is the matter."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post(PATH, status_code=400, summary="Refused: the model generates text")
    async def create_embedding() -> Response:
        raise ApiError(
            400,
            f"the model {parts.model_name!r} generates text, and its hidden states are not served; ask a server of an "
            "embedding model, or compare texts by /v1/decisions",
            code="unsupported_endpoint",
        )

    return routes

"""ENDPOINTS: every endpoint with the struct of its body and what becomes of each of its parameters."""

from dataclasses import dataclass
from typing import Any, Literal

from ...lang.plan import Plan
from ...lang.wire import CloseBody, ForkBody, HoldBody, OpenBody, OperationsBody, PlanBody
from .dashboard.play_body import PLAY_PARAMETERS, PlayBody
from .dashboard.play_program import PLAY_PROGRAM_PARAMETERS, PlayProgramBody
from .native.decision_types import DECISION_PARAMETERS, DecisionsBody
from .native.generate_body import GENERATE_PARAMETERS, GenerateBody
from .native.info import ABORT_PARAMETERS, AbortBody
from .native.tokenize import TOKENIZE_PARAMETERS, DetokenizeBody, TokenizeBody
from .openai.chat_parameters import CHAT_PARAMETERS
from .openai.chat_types import ChatRequest
from .openai.completion_types import COMPLETION_PARAMETERS, CompletionRequest
from .openai.embeddings import EMBEDDING_PARAMETERS
from .openai.responses.create_types import CreateResponse
from .openai.responses.response_parameters import RESPONSE_PARAMETERS, RESPONSE_QUERY_PARAMETERS
from .parameters import Parameter
from .programs.program_parameters import PLAN_PARAMETERS, PROGRAM_PARAMETERS
from .programs.run import RunBody

Method = Literal["GET", "POST", "DELETE"]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path."""

    method: Method
    path: str
    body_type: type[Any] | None = None
    """None: a body is not read."""
    parameters: tuple[Parameter, ...] = ()
    same_as: str | None = None
    """The path whose parameters these are."""

    @property
    def is_open(self) -> bool:
        """Whether fields of the body that nothing is said of are passed over, and not refused."""
        return self.body_type is not None and not self.body_type.__struct_config__.forbid_unknown_fields


def _endpoint(method: Method, path: str, body_type: type[Any] | None, table: tuple[Parameter, ...]) -> Endpoint:
    """With those lines of the table that are of this path."""
    return Endpoint(method, path, body_type, tuple(each for each in table if each.endpoint == path))


def _likewise(method: Method, path: str, other: Endpoint) -> Endpoint:
    return Endpoint(method, path, other.body_type, other.parameters, other.path)


_CHAT = _endpoint("POST", "/v1/chat/completions", ChatRequest, CHAT_PARAMETERS)
_RESPONSES = _endpoint("POST", "/v1/responses", CreateResponse, RESPONSE_PARAMETERS)

ENDPOINTS: tuple[Endpoint, ...] = (
    _CHAT,
    _likewise("POST", "/v1/chat/completions/render", _CHAT),
    _endpoint("POST", "/v1/completions", CompletionRequest, COMPLETION_PARAMETERS),
    _RESPONSES,
    _likewise("POST", "/v1/responses/input_tokens", _RESPONSES),
    _endpoint("GET", "/v1/responses/{response_id}", None, RESPONSE_QUERY_PARAMETERS),
    _endpoint("GET", "/v1/responses/{response_id}/input_items", None, RESPONSE_QUERY_PARAMETERS),
    Endpoint("POST", "/v1/responses/{response_id}/cancel"),
    Endpoint("DELETE", "/v1/responses/{response_id}"),
    _endpoint("POST", "/v1/embeddings", None, EMBEDDING_PARAMETERS),
    Endpoint("GET", "/v1/models"),
    Endpoint("GET", "/v1/models/{model_id}"),
    _endpoint("POST", "/v1/decisions", DecisionsBody, DECISION_PARAMETERS),
    _endpoint("POST", "/v1/programs", Plan, PLAN_PARAMETERS),
    Endpoint("GET", "/v1/programs"),
    Endpoint("GET", "/v1/programs/{program_id}"),
    Endpoint("DELETE", "/v1/programs/{program_id}"),
    _endpoint("POST", "/v1/programs/{program_id}/run", RunBody, PROGRAM_PARAMETERS),
    _endpoint("POST", "/v1/programs/run", PlanBody, PLAN_PARAMETERS),
    _endpoint("POST", "/v1/branches", OpenBody, PLAN_PARAMETERS),
    _endpoint("POST", "/v1/branches/close", CloseBody, PLAN_PARAMETERS),
    _endpoint("POST", "/v1/branches/{branch_id}/run", OperationsBody, PLAN_PARAMETERS),
    _endpoint("POST", "/v1/branches/{branch_id}/fork", ForkBody, PLAN_PARAMETERS),
    _endpoint("POST", "/v1/branches/{branch_id}/hold", HoldBody, PLAN_PARAMETERS),
    _endpoint("POST", "/generate", GenerateBody, GENERATE_PARAMETERS),
    _endpoint("POST", "/tokenize", TokenizeBody, TOKENIZE_PARAMETERS),
    _endpoint("POST", "/detokenize", DetokenizeBody, TOKENIZE_PARAMETERS),
    _endpoint("POST", "/abort_request", AbortBody, ABORT_PARAMETERS),
    Endpoint("POST", "/flush_cache"),
    Endpoint("GET", "/health"),
    Endpoint("GET", "/health_generate"),
    Endpoint("GET", "/get_model_info"),
    Endpoint("GET", "/get_server_info"),
    Endpoint("GET", "/metrics"),
    Endpoint("GET", "/dashboard"),
    Endpoint("GET", "/dashboard/state"),
    _endpoint("POST", "/dashboard/play", PlayBody, PLAY_PARAMETERS),
    _endpoint("POST", "/dashboard/play/program", PlayProgramBody, PLAY_PROGRAM_PARAMETERS),
)
"""All that openapi.json names, in the order of the documentation."""

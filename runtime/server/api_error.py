"""ApiError: what an endpoint answers when it cannot do what was asked, in OpenAI's shape."""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

from starlette.responses import JSONResponse

from ...grammar.errors import CompilerCrashed, GrammarError
from ...lang.backend import OutOfTime, QueueRefusal
from ..errors import (
    BranchClosed,
    ChatTemplateError,
    ConstraintDeadEnd,
    DependencyFailed,
    EngineClosed,
    EngineError,
    InvalidRequest,
    RequestCancelled,
    RequestTooLong,
)
from .process.errors import EngineNotStarted, EngineRestarted, FrameTooLong, SlowReader

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "timeout_error",
    "server_error",
]

_MAX_MESSAGE_LEN = 600
_MAX_RETRY_AFTER_S = 30
_RESTART_S = 2
"""About how long a model takes to be loaded again."""


class ApiError(Exception):
    """A reply other than what was asked for: `status`, and what OpenAI's error object holds."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: ErrorType = "invalid_request_error",  # noqa: A002 - OpenAI's name
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        self.status = status
        self.message = message if len(message) <= _MAX_MESSAGE_LEN else message[:_MAX_MESSAGE_LEN] + "..."
        self.type = type
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        super().__init__(self.message)

    @property
    def body(self) -> dict[str, object]:
        """The JSON of the reply, or of the event that ends a stream."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with the reply."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

    def response(self) -> JSONResponse:
        """The whole reply."""
        return JSONResponse(self.body, self.status, headers=dict(self.headers))


def refused(param: str, expected: str, got: object, hint: str = "") -> ApiError:
    """A parameter is wrong; of what came, at most 200 characters are shown."""
    message = f"{param}: expected {expected}, got {shown(got)}" + (f"; {hint}" if hint else "")
    return ApiError(400, message, param=param, code="invalid_value")


def shown(value: object, max_len: int = 160) -> str:
    """`repr` of a value of the user's, cut where it is long; a long text is cut before it is written out."""
    if isinstance(value, str | bytes):
        value = value[: max_len + 1]
    text = repr(value)
    return text if len(text) <= max_len else text[:max_len] + "..."


@runtime_checkable
class WrongArgument(Protocol):
    """What the language's `InvalidArgument` has."""

    name: str
    expected: str
    value: object


def api_error(error: BaseException, param: str | None = None) -> ApiError:
    """What `error`, of the engine, the language or the grammar, is to a client.

    param: what the client called the thing that may be at fault, where the error does not say. An error that is
    nobody's fault but ours says nothing of itself.
    """
    match error:
        case ApiError():
            return error
        case QueueRefusal():
            return _queue_full(error)
        case OutOfTime():
            # 408: a client may simply try again; a gateway's 5xx would say that the server is at fault.
            return ApiError(
                408,
                f"not {'begun' if error.limit_name == 'queue_timeout_s' else 'ended'} within {error.limit_name}="
                f"{error.limit_s:g} s",
                type="timeout_error",
                param=error.limit_name,
                code=error.limit_name.removesuffix("_s"),
            )
        case CompilerCrashed():
            return ApiError(400, str(error), param=param, code="constraint_refused")
        case GrammarError():
            return ApiError(400, str(error), param=param, code="invalid_constraint")
        case RequestTooLong():
            return ApiError(400, str(error), param=param, code="context_length_exceeded")
        case ConstraintDeadEnd():
            message = "the constraint left nothing that may follow; loosen it, or try another seed or temperature"
            return ApiError(422, message, param=param, code="constraint_dead_end")
        case InvalidRequest() | ChatTemplateError():
            return ApiError(400, str(error), param=param, code="invalid_value")
        case DependencyFailed() if error.__cause__ is not None:
            return api_error(error.__cause__, param)
        case FrameTooLong():
            message = (
                f"the request, or what it asks for, is larger than {error.max_frame_len} bytes; ask for less at once"
            )
            return ApiError(413, message, param=param, code="request_too_large")
        case EngineRestarted():
            message = "the engine is being started again, and what was in it is lost; send the request again"
            return ApiError(503, message, type="server_error", code="engine_restarted", retry_after_s=_RESTART_S)
        case EngineClosed() | EngineNotStarted():
            return ApiError(503, "the engine is not running", type="server_error", code="engine_down", retry_after_s=5)
        case SlowReader():
            message = "what the request wrote was not read as fast as it came; read faster, or ask for less"
            return ApiError(499, message, type="server_error", code="slow_reader")
        case RequestCancelled() | BranchClosed():
            return ApiError(499, "the request was cancelled", type="server_error", code="cancelled")
        case EngineError():
            return ApiError(500, "the engine failed at this request", type="server_error", code="engine_failed")
        case ValueError() if isinstance(error, WrongArgument):
            return ApiError(400, str(error), param=error.name, code="invalid_value")
        case _:
            return ApiError(500, "the server failed at this request", type="server_error", code="internal_error")


def _queue_full(error: QueueRefusal) -> ApiError:
    message = (
        f"the queue is full: {error.num_requests} requests wait (at most {error.max_requests}) and would have "
        f"{error.num_tokens} tokens with this one (at most {error.max_tokens}); try again later"
    )
    wait_s = min(_MAX_RETRY_AFTER_S, 1 + error.num_requests // 16)
    return ApiError(429, message, type="rate_limit_error", code="queue_full", retry_after_s=wait_s)

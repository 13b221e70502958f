"""Why a request ended otherwise than by finishing, as one word for the metrics."""

import asyncio

from ....grammar.errors import GrammarError
from ....lang.backend import OutOfTime, QueueRefusal
from ...errors import ConstraintDeadEnd, EngineClosed, InvalidRequest, RequestCancelled, StepFailed
from ..api_error import ApiError, WrongArgument

_REASONS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((asyncio.CancelledError, GeneratorExit), "client_gone"),
    (RequestCancelled, "cancelled"),
    (OutOfTime, "deadline"),
    (QueueRefusal, "queue_full"),
    (GrammarError, "invalid_constraint"),
    ((InvalidRequest, WrongArgument, ApiError), "invalid_request"),
    (ConstraintDeadEnd, "dead_end"),
    (EngineClosed, "engine_closed"),
    (StepFailed, "step_failed"),
)


def abort_reason(error: BaseException) -> str:
    """One of the values of the label `reason`."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "other")

"""program_terms: on which terms the engine runs what a request asks for."""

from dataclasses import replace

from starlette.requests import Request

from ....lang.terms import Terms
from ..api_error import refused
from ..settings import DefaultSettings


def tenant_of(request: Request) -> str:
    """Whose key it came with; empty where the server has none."""
    return str(getattr(request.state, "tenant", ""))


_MAX_PRIORITY = 2**31


def program_seed(seed: int | None) -> int | None:
    """`seed`, if it can be a key of noise. Raises: ApiError."""
    if seed is not None and not 0 <= seed < 2**64:
        raise refused("seed", "an integer in [0, 2**64), or null", seed)
    return seed


def program_terms(request: Request, given: Terms, defaults: DefaultSettings) -> Terms:
    """`given`, with the server's times where it says none; the account is that of the key, where there is one.

    Raises: ApiError.
    """
    if not -_MAX_PRIORITY <= given.priority < _MAX_PRIORITY:
        raise refused("priority", "an integer of 32 bits", given.priority)
    return replace(
        given,
        tenant=tenant_of(request) or given.tenant,
        queue_timeout_s=defaults.queue_timeout_s if given.queue_timeout_s is None else given.queue_timeout_s,
        timeout_s=defaults.timeout_s if given.timeout_s is None else given.timeout_s,
    )

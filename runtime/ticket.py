"""Ticket: a request's place among all that have arrived, and the terms on which it is served."""

from dataclasses import dataclass

from .errors import InvalidRequest


@dataclass(frozen=True)
class Terms:
    """What a caller says about a request, or about all requests of a program."""

    priority: int = 0
    """The higher, the less it loses to others when memory is short; with the policy `priority` it also goes first."""
    tenant: str = ""
    """On whose account it runs: tenants that wait get equal shares."""
    queue_timeout_s: float | None = None
    """It fails where nothing of it has begun to run so long after its arrival. None: it may wait for ever."""
    timeout_s: float | None = None
    """It fails where it has not ended so long after its arrival. None: it may take for ever."""


DEFAULT_TERMS = Terms()


@dataclass(eq=False)
class Ticket:
    """Shared by all requests of a program: one that has begun keeps its place."""

    arrival: int
    """Smaller came first; no two are equal."""
    arrived_at: float
    """Seconds of the engine's clock."""
    terms: Terms = DEFAULT_TERMS
    is_accepted: bool = False
    """The queue had room for it."""
    has_begun: bool = False
    """A row of it has been let in."""
    error: Exception | None = None
    """It has run out of time: this is the answer to all of it that is still open."""


def make_terms(
    priority: object = 0, tenant: object = "", queue_timeout_s: object = None, timeout_s: object = None
) -> Terms:
    """Terms from what a caller gave. Raises: InvalidRequest."""
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise InvalidRequest(f"priority: expected an integer, got {priority!r}")
    if not isinstance(tenant, str):
        raise InvalidRequest(f"tenant: expected a string, got {tenant!r}")
    return Terms(priority, tenant, _seconds("queue_timeout_s", queue_timeout_s), _seconds("timeout_s", timeout_s))


def _seconds(name: str, given: object) -> float | None:
    if given is None:
        return None
    if not isinstance(given, int | float) or isinstance(given, bool) or not given > 0:
        raise InvalidRequest(f"{name}: expected a number of seconds > 0, or None, got {given!r}")
    return given

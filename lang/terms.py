"""Terms: what a caller says about how what it asks for is served among all that others ask for."""

from dataclasses import dataclass, replace

from .errors import InvalidArgument

_LEAST_TIMEOUT_S = 1e-3
"""What is left of a time that has run out: too little for anything, but a number of seconds all the same."""


@dataclass(frozen=True)
class Terms:
    """Of one request, or of a program as a whole, all its branches included; a wrong field raises `InvalidArgument`."""

    priority: int = 0
    """The higher, the less it loses to others when memory is short; with the policy `priority` it also goes first."""
    tenant: str = ""
    """On whose account it runs: tenants that wait get equal shares."""
    queue_timeout_s: float | None = None
    """It fails where nothing of it has begun to run so long after its arrival. None: it may wait for ever."""
    timeout_s: float | None = None
    """It fails where it has not ended so long after its arrival. None: it may take for ever."""

    def __post_init__(self) -> None:
        if not isinstance(self.priority, int) or isinstance(self.priority, bool):
            raise InvalidArgument("priority", "an integer", self.priority, "a higher one is served first")
        if not isinstance(self.tenant, str):
            raise InvalidArgument("tenant", "a string", self.tenant)
        _check_seconds("queue_timeout_s", self.queue_timeout_s)
        _check_seconds("timeout_s", self.timeout_s)

    def after(self, elapsed_s: float) -> "Terms":
        """Of a part that begins so long after the whole: what is left of the time, and no queue to begin in time in."""
        left_s = None if self.timeout_s is None else max(self.timeout_s - elapsed_s, _LEAST_TIMEOUT_S)
        return replace(self, queue_timeout_s=None, timeout_s=left_s)


def _check_seconds(name: str, given: object) -> None:
    if given is None:
        return
    if not isinstance(given, int | float) or isinstance(given, bool) or not given > 0:
        raise InvalidArgument(name, "a number of seconds > 0, or None for no limit", given)


DEFAULT_TERMS = Terms()

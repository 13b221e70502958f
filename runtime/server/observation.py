"""Observation: all that a server notes of what it does."""

from dataclasses import dataclass, field

from .dashboard.live_requests import LiveRequests
from .metrics.observer import Operations
from .metrics.request_meter import RequestMeter
from .metrics.server_metrics import ServerMetrics


@dataclass(frozen=True)
class Observation:
    """Of one server; touched by its event loop alone."""

    metrics: ServerMetrics = field(default_factory=ServerMetrics)
    live: LiveRequests = field(default_factory=LiveRequests)

    def meter(self, _: str | None, operations: Operations) -> RequestMeter:
        """Counts and times a request; see `MakeObserver`."""
        return RequestMeter(self.metrics, operations)

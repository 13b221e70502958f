"""observed: the parts of a server, with somebody to note what goes through them."""

from dataclasses import replace

from .metrics.observed_backend import ObservedBackend
from .metrics.observer import MakeObserver
from .parts import ServerParts


def observed(parts: ServerParts, *more: MakeObserver) -> ServerParts:
    """The same parts, every request through whose backend is noted in `parts.observation`, and followed by `more`.

    Parts that are observed already are given back.
    """
    if isinstance(parts.backend, ObservedBackend):
        return parts
    makers: tuple[MakeObserver, ...] = (parts.observation.meter, parts.observation.live.follow, *more)
    return replace(parts, backend=ObservedBackend(parts.backend, parts.observation.metrics.open_branches, makers))

"""ResponseCounter: counts replies by the route that made them and by their status."""

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNMATCHED = "unmatched"
"""Stands for all paths that no route has, and for requests that were refused before one was looked for."""


class ResponseCounter:
    """An ASGI middleware, to be passed first, so that what others refuse is counted, too."""

    def __init__(self, app: ASGIApp, counter: Counter) -> None:
        """counter: with the labels `route` and `status`."""
        self._app = app
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_counted(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                self._count(scope, int(message["status"]))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            if not has_begun:  # whoever called this answers so
                self._count(scope, 500)
            raise

    def _count(self, scope: Scope, status: int) -> None:
        """The route's own path, never the one that was asked for: of those there is no end."""
        route = getattr(scope.get("route"), "path", None)
        self._counter.labels(route=route if isinstance(route, str) else UNMATCHED, status=str(status)).inc()

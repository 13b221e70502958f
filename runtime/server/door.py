"""Door: what every request passes first: bounds on its headers, its key, and how many of one key run."""

import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .api_error import ApiError
from .keys import PUBLIC_PATHS, Keys
from .settings import LimitSettings


class Door:
    """An ASGI middleware. What it lets through has `state.tenant` and `state.arrived_s` (monotonic)."""

    def __init__(self, app: ASGIApp, keys: Keys, limits: LimitSettings) -> None:
        self._app = app
        self._keys = keys
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets, and none comes past the keys
            await send({"type": "websocket.close", "code": 1008})
            return
        with ExitStack() as stack:
            try:
                _check_headers(scope["headers"], self._limits)
                # A browser asks by OPTIONS, without a key, what it may do; CORS answers it or nobody does.
                tenant = "" if scope["method"] == "OPTIONS" else self._keys.admit(_path(scope), _key(scope["headers"]))
                if scope["path"] not in PUBLIC_PATHS:
                    stack.enter_context(self._keys.running(tenant))
            except ApiError as error:
                await error.response()(scope, receive, send)
                return
            scope.setdefault("state", {}).update(tenant=tenant, arrived_s=time.monotonic())
            request_id = f"req-{uuid.uuid4().hex}".encode()

            async def send_with_id(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", request_id)]}
                await send(message)

            await self._app(scope, receive, send_with_id)


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def _check_headers(headers: Sequence[tuple[bytes, bytes]], limits: LimitSettings) -> None:
    num_bytes = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > limits.max_headers or num_bytes > limits.max_header_bytes:
        raise ApiError(
            431,
            f"expected at most {limits.max_headers} headers of {limits.max_header_bytes} bytes together, got "
            f"{len(headers)} of {num_bytes}",
            code="headers_too_large",
        )


def _key(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and key.strip():
                return key.strip()
        if name == b"x-api-key":
            return value.decode("latin-1")
    return None

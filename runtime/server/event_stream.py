"""EventStream: a reply of server-sent events, which ends the work behind it when its reader leaves."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .api_error import ApiError, api_error
from .work import unless_gone

DONE = b"data: [DONE]\n\n"
_HEARTBEAT = b": still here\n\n"

Sink = Callable[[bytes], Awaitable[None]]
"""Takes a frame, and returns when there is room for the next."""

_log = logging.getLogger("palmette.server")

_encoder = msgspec.json.Encoder()


def data_frame(value: object, *, event: str | None = None) -> bytes:
    """One event with `value` as JSON, which has no line breaks in it."""
    head = b"" if event is None else b"event: " + event.encode() + b"\n"
    return head + b"data: " + _encoder.encode(value) + b"\n\n"


class Frames:
    """The frames of a generator, which a task of its own reads: it can be waited for, and given up.

    The task brings the frames to the reader by itself, so that a frame costs no change of tasks.
    """

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        self._has_begun = asyncio.Event()
        self._error: ApiError | None = None
        self._sink: asyncio.Future[Sink] = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._read(frames))

    async def begin(self) -> None:
        """Until the first frame is there, or the end; raises what came instead, as `ApiError`."""
        await self._has_begun.wait()
        if self._error is not None:
            raise self._error

    def bring_to(self, sink: Sink) -> "asyncio.Task[None]":
        """From now on `sink` gets the frames, one after another; what is returned is done with the last of them."""
        if not self._sink.done():  # the request may have been aborted meanwhile
            self._sink.set_result(sink)
        return self._task

    def end(self) -> ApiError | None:
        """How it has ended, after it has: what the generator raised. Raises what `sink` raised."""
        if self._task.cancelled():
            return ApiError(499, "the request was aborted", type="server_error", code="aborted")
        self._task.result()
        return self._error

    async def close(self) -> None:
        """Close the generator, and wait for it."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _read(self, frames: AsyncGenerator[bytes, None]) -> None:
        sink: Sink | None = None
        try:
            async with aclosing(frames):
                while (frame := await self._next(frames)) is not None:
                    if sink is None:
                        self._has_begun.set()
                        sink = await self._sink
                    await sink(frame)
        finally:
            self._has_begun.set()

    async def _next(self, frames: AsyncGenerator[bytes, None]) -> bytes | None:
        try:
            return await anext(frames)
        except StopAsyncIteration:
            return None
        except Exception as error:  # noqa: BLE001 - raised where the frames are read
            # As what it is to a client: a deadline is a TimeoutError, which is an OSError, and would be mistaken there.
            self._error = api_error(error)
            self._error.__cause__ = None if self._error is error else error
            return None


class EventStream(Response):
    """Sends the frames of a generator as they come.

    The generator is closed however this ends, so what its `finally` gives back is given back: when the client hangs up
    also while nothing is being sent. What it raises becomes a last event with OpenAI's error object; a generator that
    wants another form of it catches it itself. Where nothing came for `heartbeat_s`, a comment is sent.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None] | Frames,
        *,
        heartbeat_s: float,
        headers: Mapping[str, str] | None = None,
        status_code: int = 200,
    ) -> None:
        """status_code: FastAPI looks for it here when it writes openapi.json."""
        super().__init__(
            status_code=status_code, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})}
        )
        del self.headers["content-length"]
        self._frames = frames if isinstance(frames, Frames) else Frames(frames)
        self._heartbeat_s = heartbeat_s

    @classmethod
    async def begun(cls, request: Request, frames: AsyncGenerator[bytes, None], *, heartbeat_s: float) -> "EventStream":
        """The stream once its first frame is there: what fails before is raised, and told by a status.

        Raises: ClientGone, ApiError.
        """
        reading = Frames(frames)
        try:
            await unless_gone(request, reading.begin())
        except BaseException:
            await reading.close()
            raise
        return cls(reading, heartbeat_s=heartbeat_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """See ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        outlet = _Outlet(send)
        reading = self._frames.bring_to(outlet.send_frame)
        watching = asyncio.ensure_future(_until_gone(receive))
        try:
            while not reading.done() and not watching.done():
                quiet_s = outlet.quiet_s()
                if quiet_s >= self._heartbeat_s:
                    await outlet.send_frame(_HEARTBEAT)
                    quiet_s = 0.0
                await asyncio.wait(
                    {reading, watching}, timeout=self._heartbeat_s - quiet_s, return_when=asyncio.FIRST_COMPLETED
                )
            if reading.done():
                await self._end(outlet)
        finally:
            watching.cancel()
            await self._frames.close()

    async def _end(self, outlet: "_Outlet") -> None:
        error = self._frames.end()
        if error is not None:
            if error.status >= 500:
                _log.error("a stream failed", exc_info=error)
            await outlet.send_frame(data_frame(error.body))
        await outlet.send_end()


class _Outlet:
    """Where the frames of one stream leave, and since when none has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._sent_at = time.monotonic()
        self._is_sending = False

    def quiet_s(self) -> float:
        """For so long there was nothing to send; a reader who does not take what is sent does not make it quiet."""
        return 0.0 if self._is_sending else time.monotonic() - self._sent_at

    async def send_frame(self, frame: bytes) -> None:
        """Returns when there is room for the next."""
        self._is_sending = True
        await self._send({"type": "http.response.body", "body": frame, "more_body": True})
        self._is_sending = False
        self._sent_at = time.monotonic()

    async def send_end(self) -> None:
        """There are no more."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

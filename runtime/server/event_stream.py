"""EventStream: a reply of server-sent events, which ends the work behind it when its reader leaves."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .api_error import ApiError, api_error
from .work import unless_gone

DONE = b"data: [DONE]\n\n"
_HEARTBEAT = b": still here\n\n"
_MAX_HELD = 256
"""Frames that are made before they are sent."""

_log = logging.getLogger("palmette.server")

_encoder = msgspec.json.Encoder()


def data_frame(value: object, *, event: str | None = None) -> bytes:
    """One event with `value` as JSON, which has no line breaks in it."""
    head = b"" if event is None else b"event: " + event.encode() + b"\n"
    return head + b"data: " + _encoder.encode(value) + b"\n\n"


class Frames:
    """The frames of a generator, which a task of its own reads: it can be waited for in pieces, and given up."""

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        self._arrived: asyncio.Queue[bytes | ApiError | None] = asyncio.Queue(_MAX_HELD)
        self._first: bytes | ApiError | None = None
        self._has_first = False
        self._task = asyncio.ensure_future(self._read(frames))

    async def begin(self) -> None:
        """Until the first frame is there; raises what came instead of it, as `ApiError`."""
        first = await self._arrived.get()
        if isinstance(first, ApiError):
            raise first
        self._first, self._has_first = first, True

    async def next(self) -> bytes | None:
        """The next frame, None at the end; raises what the generator raises, as `ApiError`."""
        if self._has_first:
            item, self._has_first = self._first, False
        else:
            item = await self._arrived.get()
        if isinstance(item, ApiError):
            raise item
        return item

    async def close(self) -> None:
        """Close the generator, and wait for it."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _read(self, frames: AsyncGenerator[bytes, None]) -> None:
        end: ApiError | None = None
        try:
            async with aclosing(frames):
                async for frame in frames:
                    await self._arrived.put(frame)
        except Exception as error:  # noqa: BLE001 - raised where the frames are read
            # As what it is to a client: a deadline is a TimeoutError, which is an OSError, and would be mistaken there.
            end = api_error(error)
            end.__cause__ = None if end is error else error
        await self._arrived.put(end)


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
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})})
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
        sending = asyncio.ensure_future(self._send_all(send))
        watching = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            watching.cancel()
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
            await self._frames.close()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            while True:
                try:
                    async with asyncio.timeout(self._heartbeat_s):
                        frame = await self._frames.next()
                except TimeoutError:
                    frame = _HEARTBEAT
                if frame is None:
                    break
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        except ApiError as error:
            if error.status >= 500:
                _log.error("a stream failed", exc_info=error)
            frame = data_frame(error.body)
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

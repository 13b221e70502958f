"""EventStream: heartbeats, errors in the middle, and an end that closes what is behind it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.requests import Request

from palmette.runtime.errors import DeadlineExceeded
from palmette.runtime.server.api_error import ApiError
from palmette.runtime.server.event_stream import DONE, EventStream, data_frame
from palmette.runtime.server.work import ClientGone

pytestmark = pytest.mark.anyio
SCOPE: dict[str, Any] = {"type": "http"}


class Reader:
    """The other end: keeps what is sent, and may hang up."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status: int | None = None
        self.gone = asyncio.Event()
        self.has_frame = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["body"]:
            self.bodies.append(message["body"])
            self.has_frame.set()


class Frames:
    """Frames, then a wait or an error; tells whether it was closed."""

    def __init__(self, frames: list[bytes], error: Exception | None = None, *, waits: bool = False) -> None:
        self.is_closed = False
        self._frames = frames
        self._error = error
        self._waits = waits

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for frame in self._frames:
                yield frame
            if self._waits:
                await asyncio.Event().wait()
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True


async def test_all_frames_come_in_order() -> None:
    reader, frames = Reader(), Frames([data_frame({"a": 1}), DONE])
    await EventStream(frames(), heartbeat_s=60)(SCOPE, reader.receive, reader.send)
    assert reader.bodies == [b'data: {"a":1}\n\n', b"data: [DONE]\n\n"]
    assert reader.status == 200


async def test_a_heartbeat_where_nothing_comes() -> None:
    reader, frames = Reader(), Frames([], waits=True)
    serving = asyncio.ensure_future(EventStream(frames(), heartbeat_s=0.001)(SCOPE, reader.receive, reader.send))
    await reader.has_frame.wait()
    assert reader.bodies[0].startswith(b":")
    reader.gone.set()
    await serving
    assert frames.is_closed


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeadlineExceeded("timeout_s", 1.0, 1.1), b'"code":"timeout"'),
        (ApiError(422, "no", code="x"), b'"code":"x"'),
        (RuntimeError("/secret/path"), b'"code":"internal_error"'),
    ],
)
async def test_an_error_is_the_last_event(error: Exception, code: bytes) -> None:
    reader, frames = Reader(), Frames([b"data: 1\n\n"], error)
    await EventStream(frames(), heartbeat_s=60)(SCOPE, reader.receive, reader.send)
    assert reader.bodies[0] == b"data: 1\n\n"
    assert code in reader.bodies[1]
    assert b"secret" not in reader.bodies[1]
    assert frames.is_closed


async def test_what_fails_before_the_first_frame_is_raised() -> None:
    reader, frames = Reader(), Frames([], ApiError(429, "full"))
    with pytest.raises(ApiError, match="full"):
        await EventStream.begun(Request(SCOPE, reader.receive), frames(), heartbeat_s=60)
    assert frames.is_closed


async def test_a_reader_who_leaves_before_the_first_frame() -> None:
    reader, frames = Reader(), Frames([], waits=True)
    beginning = asyncio.ensure_future(EventStream.begun(Request(SCOPE, reader.receive), frames(), heartbeat_s=60))
    await asyncio.sleep(0)
    reader.gone.set()
    with pytest.raises(ClientGone):
        await beginning
    assert frames.is_closed


@pytest.mark.parametrize("is_begun", [False, True])
async def test_a_request_that_is_aborted_says_so_at_the_end(is_begun: bool) -> None:
    reader, frames = Reader(), Frames([b"data: 1\n\n"], waits=True)
    stream = await EventStream.begun(Request(SCOPE, reader.receive), frames(), heartbeat_s=60)
    reading = stream._frames._task
    if not is_begun:
        reading.cancel()
    serving = asyncio.ensure_future(stream(SCOPE, reader.receive, reader.send))
    if is_begun:
        await reader.has_frame.wait()
        reading.cancel()
    await serving
    assert b'"code":"aborted"' in reader.bodies[-1]
    assert frames.is_closed


async def test_a_reader_who_takes_nothing_gets_no_heartbeats() -> None:
    frames, has_room, num_sent = Frames([b"data: 1\n\n"], waits=True), asyncio.Event(), 0

    async def send(message: Any) -> None:
        nonlocal num_sent
        num_sent += message["type"] == "http.response.body"
        if message["type"] == "http.response.body":
            await has_room.wait()

    reader = Reader()
    serving = asyncio.ensure_future(EventStream(frames(), heartbeat_s=0.001)(SCOPE, reader.receive, send))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert num_sent == 1
    has_room.set()
    reader.gone.set()
    await serving
    assert frames.is_closed

"""ResponseRun: one response from its creation to its last event, for whoever reads it, now or later."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec

from ...event_stream import data_frame
from .conversation import Item, size_of
from .output_types import Response
from .response_writer import ResponseWriter
from .stream_events import StreamEvent


class ResponseRun:
    """What a writer has written so far. Of a response in the background the events are kept, to be read again."""

    def __init__(self, writer: ResponseWriter, *, is_background: bool) -> None:
        self.writer = writer
        self.is_background = is_background
        self.task: asyncio.Task[None] | None = None
        """Who works on it in the background."""
        self._frames: list[bytes] = []
        self._grown = asyncio.Event()
        self._num_frame_bytes = 0
        self._num_response_bytes = size_of(writer.response)

    @property
    def response(self) -> Response:
        """As far as it has come."""
        return self.writer.response

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.writer.is_ended

    @property
    def num_bytes(self) -> int:
        """What it takes, as JSON; O(1)."""
        return self._num_response_bytes + self._num_frame_bytes

    def put(self, events: Sequence[StreamEvent]) -> None:
        """Keep the events and tell who waits for them."""
        for event in events:
            frame = event_frame(event)
            self._frames.append(frame)
            self._num_frame_bytes += len(frame)
        if self.is_ended:
            self.measure()
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def measure(self) -> None:
        """Count the response anew: it has ended."""
        self._num_response_bytes = size_of(self.response)

    def output_items(self) -> list[Item]:
        """What the model said, as items of a conversation."""
        items: list[Item] = msgspec.json.decode(msgspec.json.encode(self.response.output))
        return items

    async def frames(self, starting_after: int | None) -> AsyncGenerator[bytes, None]:
        """The kept events after that number, and those to come, as frames of a stream."""
        position = 0 if starting_after is None else starting_after + 1
        while True:
            grown = self._grown
            while position < len(self._frames):
                position += 1
                yield self._frames[position - 1]
            if self.is_ended:
                return
            await grown.wait()

    async def cancel(self) -> None:
        """End the work, and wait until what it held is given back."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})


def event_frame(event: StreamEvent) -> bytes:
    """An event as it is sent, under its own name."""
    return data_frame(event, event=event.type)

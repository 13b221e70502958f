"""FrameConnection: one end of the stream between a server and its engine's process, on an asyncio loop."""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from .errors import FrameTooLong
from .frames import MAX_FRAME_LEN, FrameReader, append_frame
from .messages import ENCODER

_LOGGER = logging.getLogger("palmette.server")


class FrameConnection(asyncio.Protocol):
    """Sends messages without ever waiting, and hands on the frames that arrive.

    What is sent during one turn of the loop leaves in one write. What the other end does not read is kept here;
    `num_unsent_bytes` says how much that is, and it is for the sender to mind it.
    """

    def __init__(
        self,
        on_frame: Callable[[int, bytes], None],
        on_lost: Callable[[], None],
        *,
        max_frame_len: int = MAX_FRAME_LEN,
    ) -> None:
        """`on_frame` is called with (call id, payload), `on_lost` once, when nothing can come any more."""
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._max_frame_len = max_frame_len
        self._reader = FrameReader(max_frame_len)
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._unwritten = bytearray()
        self._is_flush_due = False
        self.is_lost = False

    @property
    def num_unsent_bytes(self) -> int:
        """Bytes that the other end has not taken yet."""
        buffered = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return len(self._unwritten) + buffered

    def send(self, call_id: int, message: object) -> None:
        """Send a message, soon. Nothing happens where the stream has ended: `on_lost` has said so, or will.

        Raises: FrameTooLong; ValueError, OverflowError, RecursionError or TypeError where there is no way to encode
        the message. Nothing is sent then.
        """
        if self.is_lost:
            return
        append_frame(self._unwritten, call_id, message, ENCODER, self._max_frame_len)
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """End the stream when all has been sent."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            frames = self._reader.feed(data)
        except FrameTooLong:
            _LOGGER.exception("the stream between server and engine is broken and is ended")
            self.abort()
            return
        for call_id, payload in frames:
            self._on_frame(call_id, payload)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - an end is an end
        """See `asyncio.Protocol`."""
        if not self.is_lost:
            self.is_lost = True
            self._unwritten.clear()
            self._on_lost()

    def abort(self) -> None:
        """End the stream now; what has not been sent is lost."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._unwritten and self._transport is not None and not self.is_lost:
            data, self._unwritten = self._unwritten, bytearray()
            self._transport.write(data)

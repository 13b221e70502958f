"""Frames: how messages lie in the byte stream between the server and the engine's process.

    | payload length, 4 bytes | call id, 8 bytes | payload: one message as MessagePack |      integers are big-endian

The id of the call stands outside of the message, so that what nobody waits for is never decoded, and a message that
cannot be read can still be answered.
"""

import struct

import msgspec

from .errors import FrameTooLong

HEADER = struct.Struct(">IQ")

MAX_FRAME_LEN = 64 * 1024 * 1024
"""Bytes of a payload; more is refused, by the sender before anything is sent, by the receiver at the header."""


def append_frame(
    buffer: bytearray, call_id: int, message: object, encoder: msgspec.msgpack.Encoder, max_frame_len: int
) -> None:
    """Encode `message` behind what is in `buffer`. Raises `FrameTooLong`, and what encoding does; then nothing is."""
    payload = encoder.encode(message)
    if len(payload) > max_frame_len:
        raise FrameTooLong(len(payload), max_frame_len)
    buffer += HEADER.pack(len(payload), call_id)
    buffer += payload


class FrameReader:
    """Cuts a byte stream, which comes in pieces of any length, into frames."""

    def __init__(self, max_frame_len: int = MAX_FRAME_LEN) -> None:
        self._max_frame_len = max_frame_len
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(call id, payload) of each frame that `data` completes. O(len(data)), amortised.

        Raises `FrameTooLong` as soon as a header announces it; the stream is of no use after that.
        """
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        start = 0
        while len(buffer) - start >= HEADER.size:
            frame_len, call_id = HEADER.unpack_from(buffer, start)
            if frame_len > self._max_frame_len:
                raise FrameTooLong(frame_len, self._max_frame_len)
            end = start + HEADER.size + frame_len
            if end > len(buffer):
                break
            frames.append((call_id, bytes(buffer[start + HEADER.size : end])))
            start = end
        del buffer[:start]
        return frames

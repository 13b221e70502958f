"""Frames: a byte stream cut anywhere gives the messages that were written, and too long ones are refused."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.server.process.errors import FrameTooLong
from palmette.runtime.server.process.frames import HEADER, FrameReader, append_frame

ENCODER = msgspec.msgpack.Encoder()


@given(
    messages=st.lists(st.tuples(st.integers(0, 2**64 - 1), st.text(max_size=40)), max_size=12),
    cuts=st.lists(st.integers(0, 600), max_size=10),
)
def test_a_stream_cut_anywhere_gives_the_same_frames(messages: list[tuple[int, str]], cuts: list[int]) -> None:
    buffer = bytearray()
    for call_id, text in messages:
        append_frame(buffer, call_id, text, ENCODER, 1000)
    reader = FrameReader(1000)
    places = sorted({0, len(buffer), *(cut for cut in cuts if cut < len(buffer))})
    frames = [frame for start, end in itertools.pairwise(places) for frame in reader.feed(bytes(buffer[start:end]))]
    assert [(call_id, msgspec.msgpack.decode(payload)) for call_id, payload in frames] == messages


def test_a_message_that_is_too_long_is_not_written() -> None:
    buffer = bytearray(b"before")
    with pytest.raises(FrameTooLong, match="expected at most 100 bytes, got 202") as caught:
        append_frame(buffer, 1, "x" * 200, ENCODER, 100)
    assert buffer == b"before"
    assert (caught.value.frame_len, caught.value.max_frame_len) == (202, 100)


def test_a_frame_that_is_too_long_is_refused_at_its_header() -> None:
    reader = FrameReader(100)
    assert reader.feed(HEADER.pack(100, 1)) == []
    with pytest.raises(FrameTooLong):
        FrameReader(100).feed(HEADER.pack(101, 1))

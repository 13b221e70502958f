"""Delivery: carries events from the engine's thread to one event loop, and wakes it as seldom as text allows."""

import asyncio
from collections import deque
from typing import Any, Protocol, TypeVar

from ...lang.events import Event, TextDelta
from ..request import Ended

Mailbox = asyncio.Queue[Event | Ended]

Message = TypeVar("Message")
Letter = TypeVar("Letter", contravariant=True)


class Box(Protocol[Letter]):
    """Where messages are left; an `asyncio.Queue` is one."""

    def put_nowait(self, message: Letter, /) -> None:
        """Called on the loop."""
        ...


PAUSE_S = 0.01
"""Text is handed over at most this often, unless told otherwise, which no reader of a stream can see."""


class Delivery:
    """All that branches of one event loop are told, in order.

    To wake a loop costs the engine more than the message: a system call, and the interpreter's lock, which the loop's
    thread holds while it works. So messages that come while a wake-up is on its way share it, and after a delivery
    of text the next text waits for the end of a pause; values and ends do not, and take the text before them along.

                    put                drain of text              pause is over, nothing came
        asleep ------------> called ------------------> resting ------------------------------> asleep
                                ^                          |
                                +--------------------------+
                                  put of other than text, or pause is over and text came
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, pause_s: float = PAUSE_S) -> None:
        self._loop = loop
        self._pause_s = pause_s
        self._messages: deque[tuple[Box[Any], Any, bool]] = deque()  # (mailbox, message, is_text)
        # Each flag is set before, and read after, what it announces: a message is never left behind without a call.
        self._is_called = False
        self._is_resting = False

    def put(self, mailbox: Box[Message], message: Message, *, is_text: bool | None = None) -> None:
        """Bring `message` to a mailbox of the loop. Called on the engine's thread; never blocks.

        `is_text`: whether it can wait for the end of a pause; None: a `TextDelta` can.
        """
        if is_text is None:
            is_text = isinstance(message, TextDelta)
        self._messages.append((mailbox, message, is_text))
        if self._is_called or (self._is_resting and is_text):
            return
        self._is_called = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            # A loop that has closed has nobody left to tell.
            if not self._loop.is_closed():
                raise

    def _drain(self) -> None:
        self._is_called = False
        has_text = False
        while self._messages:
            mailbox, message, is_text = self._messages.popleft()
            mailbox.put_nowait(message)
            has_text |= is_text
        if has_text and not self._is_resting:
            self._is_resting = True
            self._loop.call_later(self._pause_s, self._end_pause)

    def _end_pause(self) -> None:
        self._is_resting = False
        if self._messages:
            self._drain()

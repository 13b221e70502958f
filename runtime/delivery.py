"""Delivery: carries events from the engine's thread to one event loop, and wakes it as seldom as text allows."""

import asyncio
from collections import deque

from ..lang.events import Event, TextDelta
from .request import Ended

Mailbox = asyncio.Queue[Event | Ended]

_PAUSE_S = 0.01
"""Text is handed over at most this often, which no reader of a stream can see."""


class Delivery:
    """All that branches of one event loop are told, in order.

    To wake a loop costs the engine more than the message: a system call, and the interpreter's lock, which the loop's
    thread holds while it works. So messages that come while a wake-up is on its way share it, and after a delivery
    text waits for the end of a pause; values and ends do not, and take the text before them along.

                    put                    drain                  pause is over, nothing came
        asleep ------------> called ------------------> resting ------------------------------> asleep
                                ^                          |
                                +--------------------------+
                                  put of other than text, or pause is over and text came
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._messages: deque[tuple[Mailbox, Event | Ended]] = deque()
        # Each flag is set before, and read after, what it announces: a message is never left behind without a call.
        self._is_called = False
        self._is_resting = False

    def put(self, mailbox: Mailbox, message: Event | Ended) -> None:
        """Bring `message` to a mailbox of the loop. Called on the engine's thread; never blocks."""
        self._messages.append((mailbox, message))
        if self._is_called or (self._is_resting and isinstance(message, TextDelta)):
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
        while self._messages:
            mailbox, message = self._messages.popleft()
            mailbox.put_nowait(message)
        if not self._is_resting:
            self._is_resting = True
            self._loop.call_later(_PAUSE_S, self._end_pause)

    def _end_pause(self) -> None:
        self._is_resting = False
        if self._messages:
            self._drain()

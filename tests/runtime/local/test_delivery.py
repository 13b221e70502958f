"""Delivery: order, nothing left behind, and how seldom the loop is woken."""

import asyncio
import threading
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.lang.events import TextDelta
from palmette.runtime.local.delivery import Delivery, Mailbox
from palmette.runtime.request import Ended


class FakeLoop:
    """A loop whose calls run when the test says so."""

    def __init__(self) -> None:
        self.called: list[Callable[[], None]] = []
        self.later: list[Callable[[], None]] = []
        self.num_wakeups = 0
        self.has_closed = False

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        if self.has_closed:
            raise RuntimeError("Event loop is closed")
        self.num_wakeups += 1
        self.called.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        assert delay > 0
        self.later.append(callback)

    def is_closed(self) -> bool:
        return self.has_closed

    def turn(self) -> None:
        """Run what was called."""
        while self.called:
            self.called.pop(0)()

    def end_pause(self) -> None:
        """Run what was called for later."""
        for callback in [self.later.pop() for _ in range(len(self.later))]:
            callback()


def make() -> tuple[Delivery, FakeLoop, Mailbox]:
    loop = FakeLoop()
    return Delivery(cast(asyncio.AbstractEventLoop, loop)), loop, asyncio.Queue()


def text(number: int) -> TextDelta:
    return TextDelta(0, str(number))


def test_messages_that_come_before_the_loop_wakes_share_the_call() -> None:
    delivery, loop, mailbox = make()
    other: Mailbox = asyncio.Queue()
    for number in range(5):
        delivery.put(mailbox, text(number))
        delivery.put(other, text(number))
    loop.turn()
    assert loop.num_wakeups == 1
    assert mailbox.qsize() == other.qsize() == 5


def test_text_waits_for_the_end_of_the_pause_and_an_end_does_not() -> None:
    delivery, loop, mailbox = make()
    delivery.put(mailbox, text(0))
    loop.turn()
    delivery.put(mailbox, text(1))
    loop.turn()
    assert mailbox.qsize() == 1, "text within the pause"
    loop.end_pause()
    assert mailbox.qsize() == 2
    delivery.put(mailbox, text(2))
    delivery.put(mailbox, Ended())
    loop.turn()
    assert mailbox.qsize() == 4, "the end takes the text before it along"
    assert loop.num_wakeups == 2


def test_after_a_quiet_pause_text_is_delivered_at_once() -> None:
    delivery, loop, mailbox = make()
    delivery.put(mailbox, text(0))
    loop.turn()
    loop.end_pause()
    delivery.put(mailbox, text(1))
    loop.turn()
    assert mailbox.qsize() == 2


def test_without_text_there_is_no_pause() -> None:
    delivery, loop, mailbox = make()
    delivery.put(mailbox, Ended())
    loop.turn()
    assert not loop.later
    delivery.put(mailbox, text(0), is_text=False)
    loop.turn()
    assert not loop.later
    delivery.put(mailbox, text(1))
    loop.turn()
    assert loop.later
    assert loop.num_wakeups == mailbox.qsize() == 3


@given(st.lists(st.sampled_from(["text", "end", "turn", "pause"]), max_size=60))
def test_all_arrive_in_order(actions: list[str]) -> None:
    delivery, loop, mailbox = make()
    sent: list[TextDelta | Ended] = []
    for action in actions:
        if action == "turn":
            loop.turn()
        elif action == "pause":
            loop.end_pause()
        else:
            sent.append(text(len(sent)) if action == "text" else Ended(operation_index=len(sent)))
            delivery.put(mailbox, sent[-1])
    loop.turn()
    loop.end_pause()
    loop.turn()
    assert [mailbox.get_nowait() for _ in range(mailbox.qsize())] == sent


def test_from_another_thread_to_a_real_loop() -> None:
    async def main() -> list[str]:
        delivery, mailbox = Delivery(asyncio.get_running_loop()), Mailbox()

        def produce() -> None:
            for number in range(2000):
                delivery.put(mailbox, text(number))
            delivery.put(mailbox, Ended())

        thread = threading.Thread(target=produce)
        thread.start()
        received = []
        while not isinstance(message := await mailbox.get(), Ended):
            assert isinstance(message, TextDelta)
            received.append(message.text)
        thread.join()
        return received

    assert asyncio.run(main()) == [str(number) for number in range(2000)]


def test_a_closed_loop_is_told_nothing() -> None:
    delivery, loop, mailbox = make()
    loop.has_closed = True
    delivery.put(mailbox, text(0))
    assert mailbox.empty()


def test_what_else_goes_wrong_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    delivery, loop, mailbox = make()

    def fail(callback: Callable[[], None]) -> None:
        raise RuntimeError("no more files")

    monkeypatch.setattr(loop, "call_soon_threadsafe", fail)
    with pytest.raises(RuntimeError, match="no more files"):
        delivery.put(mailbox, text(0))

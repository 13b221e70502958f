"""Blocking calls run in threads that can be left behind."""

import asyncio
import contextvars
import threading

import pytest

from palmette.lang.running.own_thread import in_thread

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


def test_the_outcome_comes_back_from_another_thread_with_the_context() -> None:
    async def call() -> tuple[str, bool]:
        VARIABLE.set("set")
        return await in_thread(lambda: (VARIABLE.get(), threading.current_thread().daemon), "look")

    assert asyncio.run(call()) == ("set", True)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(KeyError("x"), KeyError), (StopIteration(3), RuntimeError), (SystemExit(3), RuntimeError)],
)
def test_what_it_raises_is_raised(raised: BaseException, expected: type[Exception]) -> None:
    def fail() -> None:
        raise raised

    with pytest.raises(expected) as caught:
        asyncio.run(in_thread(fail, "fail"))
    assert caught.value is raised or caught.value.__cause__ is raised


def test_a_call_that_nobody_waits_for_goes_on_and_ends_quietly() -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    def block() -> None:
        may_end.wait()
        has_ended.set()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await in_thread(block, "block")

    asyncio.run(give_up())  # does not wait for the thread
    assert not has_ended.is_set()
    may_end.set()
    assert has_ended.wait(timeout=10)


def test_a_late_outcome_on_a_live_loop_is_dropped() -> None:
    may_end = threading.Event()

    async def give_up() -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await in_thread(may_end.wait, "block")
        may_end.set()
        return await in_thread(lambda: "next", "next")

    assert asyncio.run(give_up()) == "next"

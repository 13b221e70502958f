"""Runs a coroutine to its end from synchronous code, on an event loop of its own."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(make: Callable[[], Coroutine[Any, Any, T]], on_interrupt: Callable[[BaseException], None]) -> T:
    """What `make()` comes to. Not on the portal's loop, which all programs share: user code in it may block its own.

    Where an event loop runs in this thread (a notebook's, say), another thread has the new one, and this one waits;
    what interrupts the wait is told to `on_interrupt`, which is to end the coroutine, and raised once that is done.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    outcome: Future[T] = start_own_loop(make)
    try:
        return outcome.result()
    except BaseException as error:
        if not outcome.done():
            on_interrupt(error)
            outcome.exception()
        raise


def start_own_loop(make: Callable[[], Coroutine[Any, Any, T]], name: str = "palmette-async") -> "Future[T]":
    """Run `make()` on an event loop in a new thread, in a copy of the caller's context."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(make()))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever asks for the outcome
            outcome.set_exception(error)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name=name, daemon=True).start()
    return outcome

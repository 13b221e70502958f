"""Runs what blocks in a thread of its own, which can be left behind: a tool, or the body of a program."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(func: Callable[[], T], name: str) -> T:
    """Call `func` in a new thread, in a copy of the caller's context; what it returns or raises comes back here.

    Nothing can stop a thread from outside: if the wait is cancelled, the call goes on and its outcome is dropped. So
    the thread is a daemon of its own, not one of asyncio's pool, which few such calls would fill and whose threads the
    event loop and the interpreter wait for when they end.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(deliver: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has been closed, so nobody waits any more
            loop.call_soon_threadsafe(lambda: None if outcome.done() else deliver())

    def run() -> None:
        try:
            value = context.run(func)
        except BaseException as error:  # noqa: BLE001 - raised again where the call is awaited
            raised = error if _is_ordinary(error) else _wrapped(error, name)
            settle(lambda: outcome.set_exception(raised))
        else:
            settle(lambda: outcome.set_result(value))

    threading.Thread(target=run, name=f"palmette-{name}", daemon=True).start()
    return await outcome


def _is_ordinary(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, StopIteration)  # a future takes no StopIteration


def _wrapped(error: BaseException, name: str) -> RuntimeError:
    """SystemExit and the like would end the event loop in which they come up again."""
    wrapped = RuntimeError(f"{name} raised {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped

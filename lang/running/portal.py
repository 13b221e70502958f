"""Portal: the one background event loop that the synchronous face of the language blocks on."""

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from typing import TypeVar

from ..errors import StateError
from ..source_line import CALLER_LINE, user_source_line

T = TypeVar("T")


class Carried(Exception):
    """`error` would end the event loop in which it is raised: it is raised where the call came from."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(repr(error))


async def _carrying(coroutine: Coroutine[object, object, T]) -> T:
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        raise Carried(error) from error


class Portal:
    """A thread with an event loop: started on first use, ended at exit, forgotten in a forked child.

    Its own thread is what lets synchronous calls work inside a running event loop (Jupyter, a web handler):
    the caller's thread blocks, the portal's loop goes on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; starts it if need be."""
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            if self._loop is None:
                self._start()
            assert self._loop is not None
            return self._loop

    def call(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run `coroutine` on the loop and block until it ends; an interrupt of the caller cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise StateError(
                "expected to be called from a thread that may wait, not from the event loop that all programs share, "
                "which would wait for itself; await the asynchronous form instead: `await s.get(name)`, "
                "`await program.arun(...)`, `await agent.asolve(s, ...)`"
            )
        future = self.start(coroutine)
        try:
            return future.result()
        except Carried as carried:
            raise carried.error from None
        except BaseException:
            future.cancel()
            raise

    async def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run `coroutine` on the portal's loop, for a caller that is on whichever loop; cancelled, it is cancelled."""
        if threading.current_thread() is self._thread:
            # As a task it takes its turn after what was posted before.
            running: asyncio.Future[T] = asyncio.get_running_loop().create_task(_carrying(coroutine))
        else:
            running = asyncio.wrap_future(self.start(coroutine))
        try:
            return await running
        except Carried as carried:
            raise carried.error from None

    def start(self, coroutine: Coroutine[object, object, T]) -> "concurrent.futures.Future[T]":
        """Run `coroutine` on the loop without waiting for it; it sees the caller's context and source line."""
        token = CALLER_LINE.set(user_source_line())
        try:
            return asyncio.run_coroutine_threadsafe(_carrying(coroutine), self.loop)
        finally:
            CALLER_LINE.reset(token)

    def post(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the loop soon, in the order of posting."""
        self.loop.call_soon_threadsafe(callback)

    def close(self) -> None:
        """Cancel what still runs, end the loop and its thread; a later use starts anew."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    def forget(self) -> None:
        """In a forked child: the thread was not forked along, and the lock may have been held."""
        self._lock = threading.Lock()
        self._loop = self._thread = None

    def _start(self) -> None:
        loop = asyncio.new_event_loop()
        is_running = threading.Event()
        loop.call_soon(is_running.set)
        thread = threading.Thread(target=_serve, args=(loop,), name="palmette-portal", daemon=True)
        thread.start()
        is_running.wait()
        self._thread = thread
        self._loop = loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


PORTAL = Portal()
"""The portal of this process: backends hold futures of its loop, so there can be only one."""

atexit.register(PORTAL.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PORTAL.forget)

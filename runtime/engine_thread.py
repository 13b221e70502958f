"""EngineThread: runs an EngineCore in a thread of its own and takes commands from any other."""

import atexit
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar
from weakref import WeakSet

from .engine import EngineCore
from .errors import EngineClosed

T = TypeVar("T")

Command = Callable[[EngineCore], None]


class EngineThread:
    """The engine's loop: receive commands, step, sleep when there is nothing to do.

    Only this thread touches the core. Commands run between steps, in the order they came.
    """

    def __init__(self, core: EngineCore) -> None:
        self._core = core
        self._inbox: deque[Command] = deque()
        self._wakeup = threading.Condition()
        self._is_closing = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._loop, name="palmette-engine", daemon=True)
        self._thread.start()
        _RUNNING.add(self)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called, or the loop ended by itself."""
        return self._is_closing

    def tell(self, command: Command) -> None:
        """Have `command` run on the engine's thread.

        Raises: EngineClosed after `close`.
        """
        with self._wakeup:
            if self._is_closing:
                raise EngineClosed("the engine was shut down; make another") from self._failure
            self._inbox.append(command)
            self._wakeup.notify()

    def ask(self, question: Callable[[EngineCore], T]) -> "Future[T]":
        """Have `question` answered on the engine's thread.

        A future that is cancelled before its turn asks nothing. Raises: EngineClosed after `close`.
        """
        answer: Future[T] = Future()

        def command(core: EngineCore) -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(question(core))
            except Exception as error:  # noqa: BLE001 - the asker gets it
                answer.set_exception(error)

        self.tell(command)
        return answer

    def close(self) -> None:
        """End the loop: open requests are told, the thread is joined. A second call does nothing."""
        with self._wakeup:
            self._is_closing = True
            self._wakeup.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _loop(self) -> None:
        try:
            self._core.claim_thread()
            while self._receive():
                self._core.step()
        except BaseException as error:
            # A bug of ours, not of a request: whoever waits is told why, and whoever comes later.
            with self._wakeup:
                self._failure = error
                self._is_closing = True
            raise
        finally:
            self._run_last_commands()
            self._core.shut_down(self._failure)

    def _receive(self) -> bool:
        """Run the commands that have come; wait for some if there is nothing else to do. False: the loop ends."""
        with self._wakeup:
            while not self._inbox and not self._is_closing and not self._core.has_work:
                self._wakeup.wait()
            if self._is_closing:
                return False
        self._run_commands()
        return True

    def _run_commands(self) -> None:
        while self._inbox:
            self._inbox.popleft()(self._core)

    def _run_last_commands(self) -> None:
        """What came before the end: requests that arrive so are answered by the shut-down."""
        while self._inbox:
            try:
                self._run_commands()
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from their answer
                self._failure = self._failure or error


_RUNNING: WeakSet[EngineThread] = WeakSet()


def _close_all() -> None:
    """At exit: a thread that is inside torch when the interpreter goes down takes the process down with it."""
    for thread in list(_RUNNING):
        thread.close()


atexit.register(_close_all)

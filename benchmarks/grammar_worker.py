"""GrammarWorker: walks schemas with one engine in a process of its own, which can be stopped."""

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from grammar_figures import Figures

Walk = Callable[[str], Figures]


class GrammarWorker:
    """Forked, so that what the engine has prepared is there again after a schema that it was stopped at.

    An engine may stay in its own code for hours: an alarm would be heard only when it comes back to Python.
    """

    def __init__(self, walk: Walk, limit_s: float) -> None:
        self._walk = walk
        self._limit_s = limit_s
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, name: str) -> Figures | None:
        """The figures of one schema; None if it took longer than the limit, by the clock.

        Raises: RuntimeError if the process died of it.
        """
        if self._connection is None:
            self._begin()
        assert self._connection is not None
        self._connection.send(name)
        if not self._connection.poll(self._limit_s):
            self.close()
            return None
        try:
            answer = self._connection.recv()
        except EOFError:
            self.close()
            raise RuntimeError(f"the process that walked {name} died") from None
        if isinstance(answer, Exception):
            self.close()
            raise answer
        assert isinstance(answer, Figures)
        return answer

    def close(self) -> None:
        """Stop the process, whatever it does."""
        if self._process is not None and self._connection is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = self._connection = None

    def _begin(self) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._walk), daemon=True)
        self._process.start()
        theirs.close()


def _serve(connection: Connection, walk: Walk) -> None:
    gc.disable()
    while True:
        try:
            name = connection.recv()
        except EOFError:
            return
        try:
            connection.send(walk(name))
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            connection.send(error)

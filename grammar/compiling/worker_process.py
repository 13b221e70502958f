"""WorkerProcess: one compile worker as its owner sees it."""

import os
import select
import subprocess
import sys
import time
import weakref

from ..errors import CompilerCrashed, CompileTimeout, ConstraintTooLarge
from ..spec import Constraint
from ..vocabulary import Vocabulary
from .messages import Compiled, Message, OutOfMemory, Settings, Started, read_message, write_message

_START_LIMIT_S = 60.0
"""For the interpreter to start and to import what it needs; not counted as compiling."""


_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class WorkerProcess:
    """A process that compiles one constraint at a time. Not thread-safe; unusable once it has been ended."""

    def __init__(self, vocabulary: Vocabulary, memory_limit_bytes: int) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **_ONE_THREAD},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._settings: Settings | None = Settings(vocabulary, memory_limit_bytes)
        self._finalizer = weakref.finalize(self, _end, self._process)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def compile(self, constraint: Constraint, time_limit_s: float) -> Compiled:
        """What the constraint comes to.

        Raises what compiling it raises, `CompileTimeout`, `ConstraintTooLarge` where memory runs out, and
        `CompilerCrashed`; after a time-out or a crash the process is gone.
        """
        try:
            self._await_start()
            write_message(self._requests, constraint)
            answer = self._receive(time_limit_s)
        except (OSError, EOFError) as error:
            self.end()
            raise CompilerCrashed(self._process.returncode) from error
        if isinstance(answer, OutOfMemory):
            self.end()  # what is left of its memory may be too little for the next
            raise ConstraintTooLarge("bytes of memory to compile it", self._memory_limit_bytes, "more")
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Compiled), answer
        return answer

    def end(self) -> None:
        """Kill it; once is enough, and it happens by itself where nobody refers to this object any more."""
        self._finalizer()

    def _await_start(self) -> None:
        if self._settings is None:
            return
        write_message(self._requests, self._settings)
        started = self._receive(_START_LIMIT_S)
        assert isinstance(started, Started), started
        self._settings = None

    def _receive(self, limit_s: float) -> Message:
        end = time.monotonic() + limit_s
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._answers], [], [], left)
            if ready:
                return read_message(self._answers)
        self.end()
        raise CompileTimeout(limit_s)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        try:
            stream.close()
        except OSError:  # what was still to be written, nobody reads any more
            continue

"""CompileService: compile workers, started when they are needed, ended when they take too long."""

from threading import Condition

from ..errors import CompilerCrashed
from ..spec import Constraint
from ..vocabulary import Vocabulary
from .messages import Compiled
from .worker_process import WorkerProcess

DEFAULT_TIME_LIMIT_S = 10.0
DEFAULT_MEMORY_LIMIT_BYTES = 2 * 1024**3


class CompileService:
    """Compiles in up to `num_workers` processes, each constraint within `time_limit_s` and `memory_limit_bytes`.

    Thread-safe: as many constraints are compiled at once as there are workers, the others wait their turn. A worker
    that was ended is replaced by the next request. `close` ends all.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        num_workers: int = 2,
        time_limit_s: float = DEFAULT_TIME_LIMIT_S,
        memory_limit_bytes: int = DEFAULT_MEMORY_LIMIT_BYTES,
    ) -> None:
        if num_workers < 1 or time_limit_s <= 0 or memory_limit_bytes <= 0:
            raise ValueError(
                "expected at least one worker and limits above 0, "
                f"got {num_workers} workers, {time_limit_s} s, {memory_limit_bytes} bytes"
            )
        self._vocabulary = vocabulary
        self._num_workers = num_workers
        self._time_limit_s = time_limit_s
        self._memory_limit_bytes = memory_limit_bytes
        self._idle: list[WorkerProcess] = []
        self._num_busy = 0
        self._is_closed = False
        self._changed = Condition()

    def warm_up(self) -> None:
        """Start one worker, so that the first constraint need not wait for it; returns at once."""
        with self._changed:
            if not self._idle and not self._num_busy and not self._is_closed:
                self._idle.append(self._start())

    def compile(self, constraint: Constraint) -> Compiled:
        """See `WorkerProcess.compile`."""
        worker = self._take()
        try:
            return worker.compile(constraint, self._time_limit_s)
        finally:
            self._give_back(worker)

    def close(self) -> None:
        """End all workers; whoever waits for one gets `CompilerCrashed`."""
        with self._changed:
            self._is_closed = True
            for worker in self._idle:
                worker.end()
            self._idle.clear()
            self._changed.notify_all()

    def _take(self) -> WorkerProcess:
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._num_busy < self._num_workers or self._is_closed)
            if self._is_closed:
                raise CompilerCrashed(None)
            worker = self._idle.pop() if self._idle else None
            if worker is not None and not worker.is_alive:
                worker.end()
                worker = None
            self._num_busy += 1
        if worker is not None:
            return worker
        try:
            return self._start()
        except BaseException:
            with self._changed:
                self._num_busy -= 1
                self._changed.notify()
            raise

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._num_busy -= 1
            if self._is_closed:
                worker.end()
            elif worker.is_alive:
                self._idle.append(worker)
            self._changed.notify()

    def _start(self) -> WorkerProcess:
        return WorkerProcess(self._vocabulary, self._memory_limit_bytes)

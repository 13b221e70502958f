"""Runs many items on a few threads, with results in order and the first failure raised."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, Literal, TypeVar

from .errors import InvalidArgument, ProgramError, StateError
from .program_run import ProgramRun
from .progress_bar import progress_bar
from .run_options import BatchErrorMode

T = TypeVar("T")
NumThreads = int | Literal["auto"]


class Batch(Generic[T]):
    """Items 0 to `num_items` - 1 of a batch; `run_item(index, watch)` runs one and tells `watch` of its run."""

    def __init__(
        self,
        num_items: int,
        run_item: Callable[[int, Callable[[ProgramRun], None]], T],
        *,
        num_threads: NumThreads,
        on_error: BatchErrorMode,
        has_progress_bar: bool,
    ) -> None:
        if on_error not in ("raise", "return"):
            raise InvalidArgument("on_error", '"raise" or "return"', on_error)
        self._num_items = num_items
        self._run_item = run_item
        self._num_threads = _num_threads(num_threads, num_items)
        self._on_error = on_error
        self._has_progress_bar = has_progress_bar
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[tuple[int, T | BaseException]] = queue.SimpleQueue()
        self._num_begun = 0
        self._live: dict[int, ProgramRun] = {}
        self._stop_cause: BaseException | None = None

    def results(self) -> Iterator[T | Exception]:
        """The results in order, each as soon as it and all before it are there.

        With on_error "raise" the first failure, whichever item it is of, is raised and the rest is cancelled; with
        "return" the exceptions stand where their results would. However this ends, no thread of it is left.
        """
        threads = [
            threading.Thread(target=self._work, name=f"palmette-batch-{number}", daemon=True)
            for number in range(self._num_threads)
        ]
        try:
            for thread in threads:
                thread.start()
            with progress_bar(self._num_items, is_shown=self._has_progress_bar) as advance:
                waiting: dict[int, T | Exception] = {}
                next_index = 0
                while next_index < self._num_items:
                    index, outcome = self._ended.get()  # an interrupt arrives here
                    advance()
                    waiting[index] = self._kept(index, outcome)
                    while next_index in waiting:
                        yield waiting.pop(next_index)
                        next_index += 1
        finally:
            self._stop(StateError("the batch was stopped"))
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _work(self) -> None:
        """A thread: take the next item until there is none, or the batch stops."""
        while self._stop_cause is None:
            with self._lock:
                index = self._num_begun
                self._num_begun += 1
            if index >= self._num_items:
                return
            self._ended.put((index, self._outcome(index)))

    def _outcome(self, index: int) -> T | BaseException:
        try:
            return self._run_item(index, lambda run: self._watch(index, run))
        except BaseException as error:  # noqa: BLE001 - raised, or returned as asked, by `results`
            return error
        finally:
            with self._lock:
                self._live.pop(index, None)

    def _kept(self, index: int, outcome: T | BaseException) -> T | Exception:
        if not isinstance(outcome, BaseException):
            return outcome
        if isinstance(outcome, ProgramError):
            outcome = outcome.in_batch(index)
        else:
            outcome.add_note(f"in item {index} of the batch")
        if self._on_error == "raise" or not isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _watch(self, index: int, run: ProgramRun) -> None:
        with self._lock:
            self._live[index] = run
            stop_cause = self._stop_cause
        if stop_cause is not None:
            run.cancel(stop_cause)

    def _stop(self, cause: BaseException) -> None:
        with self._lock:
            self._stop_cause = cause
            live = list(self._live.values())
        for run in live:
            run.cancel(cause)


def _num_threads(num_threads: NumThreads, num_items: int) -> int:
    """A thread mostly waits for the backend, so "auto" means enough to keep it busy, whatever the cores."""
    if num_threads == "auto":
        return max(1, min(num_items, max(64, 4 * (os.cpu_count() or 1))))
    if not isinstance(num_threads, int) or isinstance(num_threads, bool) or num_threads < 1:
        raise InvalidArgument("num_threads", 'an integer >= 1, or "auto"', num_threads)
    return min(num_threads, max(1, num_items))

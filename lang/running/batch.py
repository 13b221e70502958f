"""Runs many programs at once, with results in order and the first failure raised."""

import asyncio
import concurrent.futures
import contextvars
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from ..arguments.run_options import BatchErrorMode
from ..errors import InvalidArgument, ProgramError, StateError
from .own_thread import in_thread
from .portal import PORTAL, Carried
from .program_run import ProgramRun
from .progress_bar import progress_bar

T = TypeVar("T")
NumThreads = int | Literal["auto"]


@dataclass(frozen=True)
class BatchItem(Generic[T]):
    """One run: its `body`, if it has one, for a thread; `finish`, for the portal's loop; then `result` is whole."""

    run: ProgramRun
    result: T
    body: Callable[[], None] | None
    finish: Callable[[], Coroutine[Any, Any, object]]


class Batch(Generic[T]):
    """Items 0 to `num_items` - 1 of a batch; `make_item(index)` makes one that has not begun.

    A few threads run the bodies. A body that has ended gives its thread to the next one, while the backend goes on
    with what it appended; an item without a body is begun at once.

        make_item -> body, in a thread -> finish, on the portal's loop -> ended, in any order -> results, in order
    """

    def __init__(
        self,
        num_items: int,
        make_item: Callable[[int], BatchItem[T]],
        *,
        num_threads: NumThreads,
        on_error: BatchErrorMode,
        has_progress_bar: bool,
    ) -> None:
        if on_error not in ("raise", "return"):
            raise InvalidArgument("on_error", '"raise" or "return"', on_error)
        self._num_items = num_items
        self._make_item = make_item
        self._num_threads = _num_threads(num_threads, num_items)
        self._on_error = on_error
        self._has_progress_bar = has_progress_bar
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[tuple[int, T | BaseException]] = queue.SimpleQueue()
        self._num_begun = 0
        self._live: dict[int, ProgramRun] = {}
        self._finishing: set[concurrent.futures.Future[object]] = set()
        self._stop_cause: BaseException | None = None

    def results(self) -> Iterator[T | Exception]:
        """The results in order, each as soon as it and all before it are there.

        With on_error "raise" the first failure, whichever item it is of, is raised and the rest is cancelled; with
        "return" the exceptions stand where their results would. However this ends, nothing of it is left running.
        """
        threads = [
            threading.Thread(
                target=contextvars.copy_context().run, args=(self._work,), name=f"palmette-batch-{number}", daemon=True
            )
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
                    if self._stop_cause is not None:
                        raise self._stop_cause
                    advance(outcome)
                    waiting[index] = self._kept(index, outcome)
                    while next_index in waiting:
                        yield waiting.pop(next_index)
                        next_index += 1
        finally:
            self._stop(StateError("the batch was stopped"))
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            concurrent.futures.wait(list(self._finishing))

    def _work(self) -> None:
        """A thread: take the next item until there is none, or the batch stops."""
        while self._stop_cause is None:
            with self._lock:
                index = self._num_begun
                self._num_begun += 1
            if index >= self._num_items:
                return
            try:
                self._begin(index)
            except BaseException as error:  # noqa: BLE001 - raised, or returned as asked, by `results`
                self._end(index, error)

    def _begin(self, index: int) -> None:
        """Run an item's body here, and the rest of it on the loop."""
        item = self._make_item(index)
        self._watch(index, item.run)
        if item.body is not None:
            item.body()
        finishing = PORTAL.start(item.finish())
        with self._lock:
            self._finishing.add(finishing)
        finishing.add_done_callback(lambda done: self._finished(index, item, done))

    def _finished(self, index: int, item: BatchItem[T], done: "concurrent.futures.Future[object]") -> None:
        cancelled = StateError("the batch was stopped") if done.cancelled() else None
        error = cancelled or done.exception()
        if isinstance(error, Carried):
            error = error.error
        self._end(index, item.result if error is None else error)
        with self._lock:
            self._finishing.discard(done)

    def _end(self, index: int, outcome: T | BaseException) -> None:
        with self._lock:
            self._live.pop(index, None)
        self._ended.put((index, outcome))

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

    async def gathered(self) -> list[T | Exception]:
        """`list(results())`, waited for in a thread; cancelled, it stops all that is in flight, and waits for that."""
        collecting = asyncio.ensure_future(in_thread(lambda: list(self.results()), "batch"))
        try:
            return await asyncio.shield(collecting)
        except asyncio.CancelledError:
            self._stop(StateError("the batch was cancelled, with the task that awaited it"))
            self._ended.put((-1, StateError("the batch was cancelled")))  # wakes who waits for a result
            await asyncio.wait([collecting])
            collecting.exception()  # the batch's own word for it, which nobody asks for any more
            raise

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

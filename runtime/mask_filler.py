"""MaskFiller: has the constraints' masks filled beside the forward pass, on a few threads."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue

import torch
from torch import Tensor

from ..kernels.token_bitmask import count_up_to_two, mask_words
from .filled_mask import FilledMask
from .operations.task import Task


class MaskFiller:
    """Threads that fill masks while the model computes, and the memory that the masks are written to.

        step:     schedule | forward pass ............... | collect | sample, commit
        threads:           | fill a, fill c, fill d ... . |
                                     (the engine's own thread fills what is left by then)

    The matchers' engines compute without Python's lock, and so does the model. A matcher is touched by one thread at
    a time: the engine's own leaves those alone that are being filled, from `start` to `collect`. With no threads
    everything is filled in `collect`; the masks are the same.
    """

    def __init__(self, vocab_size: int, num_threads: int) -> None:
        """`num_threads`: 0 to fill on the caller's thread only. Threads are started with the first mask."""
        self._num_words = mask_words(vocab_size)
        self._num_threads = num_threads
        self._rows = torch.zeros((0, self._num_words), dtype=torch.int32)  # [capacity, mask_words]
        self._row_views: tuple[Tensor, ...] = ()  # [capacity], made once: to index a tensor costs as much as a mask
        self._jobs: SimpleQueue[MaskJob | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._no_masks = self._job(())
        self.num_masks = 0
        self.fill_s = 0.0
        """Seconds that filling took, on all threads together; several fill at the same time."""
        self.wait_s = 0.0
        """Seconds that the engine's own thread gave to it, waiting or filling."""

    def start(self, tasks: Sequence[Task]) -> "MaskJob":
        """Begin to fill a mask for each of the tasks. The masks of the job before are overwritten."""
        if not tasks:
            return self._no_masks
        job = self._job(tasks)
        if self._num_threads:
            self._start_threads()
            for _ in range(min(len(tasks), self._num_threads)):
                self._jobs.put(job)
        return job

    def fill(self, tasks: Sequence[Task]) -> "list[FilledMask]":
        """Masks that are wanted at once, with nothing to compute meanwhile: this thread fills them, as fast as any."""
        return self._job(tasks).collect()

    def close(self) -> None:
        """End the threads; they are started again by the next job."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _job(self, tasks: Sequence[Task]) -> "MaskJob":
        if len(tasks) > len(self._rows):
            num_rows = max(len(tasks), 2 * len(self._rows))
            self._rows = torch.zeros((num_rows, self._num_words), dtype=torch.int32)
            self._row_views = self._rows.unbind()
        return MaskJob(self, tasks, self._rows[: len(tasks)], self._row_views)

    def _start_threads(self) -> None:
        while len(self._threads) < self._num_threads:
            name = f"palmette-masks-{len(self._threads)}"
            self._threads.append(threading.Thread(target=_serve, args=(self._jobs,), name=name, daemon=True))
            self._threads[-1].start()


class MaskJob:
    """The masks of one pass."""

    def __init__(self, filler: MaskFiller, tasks: Sequence[Task], rows: Tensor, row_views: Sequence[Tensor]) -> None:
        """`filler` counts; `rows`: [num_tasks, mask_words] int32 on the CPU, to write to; `row_views`: each of them."""
        self._filler = filler
        self._tasks = tasks
        self._rows = rows
        self._row_views = row_views
        self._pending = deque(range(len(tasks)))
        self._outcomes: dict[int, bool | BaseException] = {}
        self._change = threading.Condition()

    def work(self) -> None:
        """Fill masks until nobody needs to begin another."""
        outcomes: dict[int, bool | BaseException] = {}
        start = time.perf_counter()
        with contextlib.suppress(IndexError):
            while True:
                index = self._pending.popleft()
                outcomes[index] = _fill(self._tasks[index], self._row_views[index])
        with self._change:
            self._filler.fill_s += time.perf_counter() - start
            self._outcomes.update(outcomes)
            self._change.notify_all()

    def collect(self) -> list[FilledMask]:
        """Wait for all masks, and help with them; in the order of the tasks."""
        if not self._tasks:
            return []
        start = time.perf_counter()
        self.work()
        with self._change:
            self._change.wait_for(lambda: len(self._outcomes) == len(self._tasks))
        self._filler.num_masks += len(self._tasks)
        self._filler.wait_s += time.perf_counter() - start
        counts = count_up_to_two(self._rows)
        return [self._filled(index, counts[index]) for index in range(len(self._tasks))]

    def _filled(self, index: int, num_allowed: int) -> FilledMask:
        outcome = self._outcomes[index]
        if isinstance(outcome, BaseException):
            return FilledMask(self._row_views[index], True, num_allowed, outcome)
        return FilledMask(self._row_views[index], outcome, num_allowed)


def _serve(jobs: "SimpleQueue[MaskJob | None]") -> None:
    while (job := jobs.get()) is not None:
        job.work()


def _fill(task: Task, row: Tensor) -> bool | BaseException:
    """Whether anything is forbidden; or what went wrong, which ends the task's request and no other."""
    try:
        return task.fill_mask(row)
    except KeyboardInterrupt:
        raise  # it comes to the main thread only, where nothing waits for the outcome
    except BaseException as error:  # noqa: BLE001 - an engine written in Rust may panic, which is no Exception
        return error

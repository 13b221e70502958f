"""Replays a trace through the scheduler, the memory and the radix cache, with a model that takes no time."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from scheduler_trace import TraceRequest
from timed_memory import TimedListener, TimedMemory

from palmette.runtime.branch import Branch
from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.config import SchedulerOptions
from palmette.runtime.operations.task import Task
from palmette.runtime.row import Row
from palmette.runtime.scheduling.scheduler import Scheduler
from palmette.runtime.ticket import Terms, Ticket


@dataclass(eq=False)
class WritingTask(Task):
    """Writes `num_left` tokens after its prompt."""

    branch: Branch
    num_left: int

    @property
    def compute_len(self) -> int:
        """The whole tape."""
        return len(self.branch.token_ids)

    @property
    def is_done(self) -> bool:
        """Whether all is written."""
        return self.num_left == 0


@dataclass
class Figures:
    """What a replay was like."""

    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_computed_tokens: int = 0
    num_steps: int = 0
    num_preemptions: int = 0
    steps_s: list[float] = field(default_factory=list)
    """Time of each `schedule()`."""
    decisions_s: list[float] = field(default_factory=list)
    """The same without the memory's work for the rows that run, but with all that is done for those that wait."""
    changes_s: list[float] = field(default_factory=list)
    """Time of what else a step does to the tree, the waiting rows' matches included."""
    waits: list[int] = field(default_factory=list)
    """Steps from arrival to being let in, of each request."""
    served: Counter[str] = field(default_factory=Counter)
    """Tokens computed for each tenant while every tenant had requests waiting."""

    @property
    def hit_share(self) -> float:
        """Share of the prompts' tokens that came from the cache."""
        return self.num_cached_tokens / max(1, self.num_prompt_tokens)


class Replay:
    """A scheduler whose rows are computed by counting."""

    def __init__(self, options: SchedulerOptions, *, num_tokens: int, page_size: int = 16) -> None:
        pool = KVPool(KVLayout(1, 1, 1, torch.int64), num_tokens // page_size, page_size)
        self.memory = TimedMemory(pool, RadixCache(pool))
        self.scheduler = Scheduler(options, self.memory, lambda: 0.0)
        (listener,) = self.memory.cache.listeners  # the scheduler's
        self._listener = TimedListener(listener)
        self.memory.cache.listeners[:] = [self._listener]
        self.figures = Figures()
        self._arrived: dict[Row, int] = {}
        self._num_rows = 0
        self._num_waiting: Counter[str] = Counter()
        self._tenants: set[str] = set()

    def submit(self, request: TraceRequest) -> None:
        """A request arrives."""
        self._num_rows += 1
        branch = Branch(self._num_rows, "", 0, token_ids=list(request.token_ids))
        ticket = Ticket(self._num_rows, 0.0, Terms(tenant=request.tenant))
        row = Row(WritingTask(branch, request.num_to_write), (self._num_rows, 0), ticket)
        self._arrived[row] = self.figures.num_steps
        self._num_waiting[request.tenant] += 1
        self._tenants.add(request.tenant)
        self.scheduler.add(row)

    def step(self) -> None:
        """One pass."""
        figures = self.figures
        self.memory.rows_s = self._listener.spent_s = 0.0
        begin = time.thread_time()
        shares = self.scheduler.schedule()
        middle = time.thread_time()
        figures.steps_s.append(middle - begin)
        figures.decisions_s.append(middle - begin - self.memory.rows_s + self._listener.spent_s)
        figures.num_steps += 1
        is_contended = all(self._num_waiting[tenant] for tenant in self._tenants)
        for share in shares:
            row, branch = share.row, share.row.branch
            if row in self._arrived and row.cached_tokens is not None:
                figures.waits.append(figures.num_steps - self._arrived.pop(row))
                figures.num_prompt_tokens += row.start_len
                figures.num_cached_tokens += row.cached_tokens
                self._num_waiting[row.ticket.terms.tenant] -= 1
            figures.num_computed_tokens += share.num_cells
            if is_contended:
                figures.served[row.ticket.terms.tenant] += share.num_cells
            branch.num_computed += share.num_tokens
            if share.num_tokens > 1 and not row.is_private:
                self.memory.publish(branch)
            if share.is_complete:
                assert isinstance(row.task, WritingTask), row.task
                row.task.num_left -= 1
                branch.append([len(branch.token_ids)])
        for row in [row for row in self.scheduler.running if row.task.is_done]:
            self.scheduler.remove(row)
            self.memory.release(row.branch)
        figures.num_preemptions = self.scheduler.num_preemptions
        figures.changes_s.append(time.thread_time() - middle)

    @property
    def has_work(self) -> bool:
        """Whether any row waits or runs."""
        return bool(self.scheduler.waiting or self.scheduler.running)


def replay(trace: Sequence[TraceRequest], options: SchedulerOptions, *, num_tokens: int) -> Figures:
    """The whole trace, each request at its step, until all have been answered."""
    machine = Replay(options, num_tokens=num_tokens)
    pending = list(reversed(trace))
    while pending or machine.has_work:
        while pending and pending[-1].step <= machine.figures.num_steps:
            machine.submit(pending.pop())
        machine.step()
    return machine.figures

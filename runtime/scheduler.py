"""Scheduler: picks the rows of the next pass and how much of each, and finds the memory for it."""

from collections.abc import Callable, Iterable, Iterator

from .branch import Branch
from .config import SchedulerOptions
from .memory import Memory
from .policy import make_policy
from .prefix import shared_len
from .row import Row, RowShare

Branches = Callable[[], Iterable[Branch]]
"""All branches that may hold pages, in the order in which they should give them up."""


class Scheduler:
    """Admits, chunks, preempts and retires rows; there is no prefill and no decode, only rows with pending tokens.

    Rows that need one token go first, so that a long prompt never holds up rows that are writing; the rest of the
    step's token budget goes to prompts in order of arrival, a chunk each. When memory is short, in this order: the
    cache gives up what nobody uses, branches that are not running give their pages to the cache, and the running
    row that arrived last is preempted: it gives up its pages and computes them again later. Branches that are held
    give theirs up only to a row that runs alone: nobody else will return any.

    No row waits for ever: the one that arrived first is never preempted, and where not even it can go on (what it
    shares keeps pages of others locked), it is given the whole pool, and goes on without the cache.
    """

    def __init__(self, options: SchedulerOptions, memory: Memory, clock: Callable[[], float]) -> None:
        self._options = options
        self._memory = memory
        self._clock = clock
        self._order = make_policy(options.policy, self._num_ready)
        self.waiting: list[Row] = []
        self.running: list[Row] = []
        self.num_preemptions = 0
        # Of the step that is being scheduled:
        self._shares: dict[Row, RowShare] = {}
        self._budget = 0
        self._holders: Iterator[Branch] = iter(())
        self._held: list[Branch] = []

    def add(self, row: Row) -> None:
        """Take in a new row. A branch that already holds pages keeps them, until others need them."""
        self.waiting.append(row)

    def remove(self, row: Row) -> None:
        """Forget a row whose task is done or cancelled; its branch keeps its pages."""
        (self.running if row.is_running else self.waiting).remove(row)
        row.is_running = False

    @property
    def oldest(self) -> Row | None:
        """The row that arrived first."""
        return min([*self.running, *self.waiting], key=lambda row: row.arrival, default=None)

    def schedule(self, branches: Branches) -> list[RowShare]:
        """The rows of the next pass, with the memory they need reserved; empty if no row has anything to compute."""
        self._shares = {}
        self._budget = self._options.token_budget
        self._holders = iter(branches())
        self._held = []
        for row in sorted(self.running, key=lambda row: (row.num_pending > 1, row.arrival)):
            if row.is_running:
                self._grant(row)
        self._admit()
        if not self._shares and self.oldest is not None and not any(row.task.is_done for row in self.running):
            self._run_alone(self.oldest, branches())
        return list(self._shares.values())

    # --- rows

    def _admit(self) -> None:
        if not self.waiting:
            return
        for row in self._order(self.waiting):
            if self._budget <= 0 or len(self.running) >= self._options.max_running_rows:
                return
            if self._is_worth_waiting(row):
                continue
            self._start(row)
            # The cache may hold all that a task wants; then it is done without a pass.
            if not row.task.is_done and not self._grant(row):
                self._park(row)
                return

    def _start(self, row: Row) -> None:
        branch = row.branch
        if not row.is_private and row.num_pending > 1:
            # An earlier run of the same program may have computed what comes after this branch's own pages, too.
            num_match = self._memory.num_match(branch, row.match_limit)
            if num_match > branch.num_computed:
                self._memory.release(branch)
                self._memory.attach(branch, row.match_limit)
        self.waiting.remove(row)
        self.running.append(row)
        row.is_running = True
        if row.cached_tokens is None:
            row.cached_tokens = branch.num_computed

    def _park(self, row: Row) -> None:
        share = self._shares.pop(row, None)
        if share is not None:
            self._budget += share.num_cells
        self._memory.release(row.branch)
        self.running.remove(row)
        row.is_running = False
        self.waiting.append(row)

    def _preempt(self, row: Row) -> None:
        """Take a running row's pages; it waits and computes them again, unless the cache still has them."""
        row.num_preemptions += 1
        row.stopwatch.num_preemptions += 1
        self.num_preemptions += 1
        self._park(row)

    def _run_alone(self, row: Row, branches: Iterable[Branch]) -> None:
        """Take everyone's pages, and let `row` go on with pages of its own only: as it was checked to fit the pool."""
        for other in list(self.running):
            self._preempt(other)
        for branch in branches:
            if branch.page_table:
                self._memory.release(branch)
        row.is_private = True
        self._start(row)
        self._grant(row)

    def _num_ready(self, row: Row) -> int:
        """Tokens of the row's tape that need not be computed."""
        branch = row.branch
        return branch.num_computed if branch.page_table else self._memory.num_match(branch, row.match_limit)

    def _is_worth_waiting(self, row: Row) -> bool:
        """Whether a running row is just computing a prefix that this row shares: then it is taken from there."""
        branch = row.branch
        if branch.num_computed or row.match_limit is not None or row.is_private or not self._memory.is_caching:
            return False
        page_size = self._memory.pool.page_size
        num_match: int | None = None
        for other in self.running:
            ahead = other.branch
            if ahead.namespace != branch.namespace or other.num_pending <= 1 or other.is_private:
                continue
            shared = shared_len(branch.token_ids, ahead.token_ids)
            shared = min(shared, len(branch.token_ids) - 1, other.task.compute_len)
            if shared <= ahead.num_computed // page_size * page_size:
                continue
            if num_match is None:
                num_match = self._memory.num_match(branch, None)
            if shared // page_size * page_size > num_match:
                return True
        return False

    # --- shares

    def _grant(self, row: Row) -> bool:
        """Give the row a share of the pass and reserve its memory; False if it must sit this one out."""
        share = self._share(row)
        if share is None:
            return False
        while not self._memory.reserve(row.branch, share.num_cells):
            if not self._make_room(row):
                return False
        self._shares[row] = share
        self._budget -= share.num_cells
        return True

    def _share(self, row: Row) -> RowShare | None:
        if self._budget <= 0:
            return None
        num_tokens = min(row.num_pending, self._budget)
        is_complete = num_tokens == row.num_pending
        tree = row.task.tree
        if is_complete and tree is not None and num_tokens + len(tree) > self._budget and self._shares:
            # A tree is computed whole: it waits for a pass that has room.
            num_tokens, is_complete = num_tokens - 1, False
            if num_tokens <= 0:
                return None
        return RowShare(row, num_tokens, is_complete)

    def _make_room(self, row: Row) -> bool:
        """Take pages from whoever minds least, never from a row that arrived before `row`; False if nobody is left."""
        busy = {id(other.branch) for other in self.running}
        now = self._clock()
        for branch in self._holders:
            if not branch.page_table or id(branch) in busy or branch is row.branch:
                continue
            if branch.is_held(now):
                self._held.append(branch)
                continue
            self._memory.release(branch)
            return True
        others = [other for other in self.running if other is not row]
        if not others and self._held:
            self._memory.release(self._held.pop(0))
            return True
        victims = [other for other in others if other.arrival > row.arrival]
        if not victims:
            return False
        self._preempt(max(victims, key=lambda other: other.arrival))
        return True

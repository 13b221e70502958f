"""Scheduler: picks the rows of the next pass and how much of each, and finds the memory for it."""

from collections.abc import Callable, Iterable

from .branch import Branch
from .config import SchedulerOptions
from .memory import Memory
from .policy import make_policy
from .row import Row, RowShare


class Scheduler:
    """Admits, chunks, preempts and retires rows; there is no prefill and no decode, only rows with pending tokens.

    Rows that need one token go first, so that a long prompt never holds up rows that are writing; the rest of the
    step's token budget goes to prompts in order of arrival, a chunk each. When memory is short, in this order: the
    cache gives up what nobody uses, branches that are not running give their pages to the cache, and the running
    row that arrived last is preempted: it gives up its pages and computes them again later. The row that arrived
    first is never preempted, and every row fits the pool alone, so each step computes something for it and every row
    ends.
    """

    def __init__(
        self, options: SchedulerOptions, memory: Memory, idle_branches: Callable[[], Iterable[Branch]]
    ) -> None:
        self._options = options
        self._memory = memory
        self._idle_branches = idle_branches
        self._order = make_policy(options.policy, self._num_ready)
        self.waiting: list[Row] = []
        self.running: list[Row] = []
        self.num_preemptions = 0

    def add(self, row: Row) -> None:
        """Take in a new row. A branch that already holds pages keeps them."""
        self.waiting.append(row)

    def remove(self, row: Row) -> None:
        """Forget a row whose task is done or cancelled; its branch keeps its pages."""
        (self.running if row.is_running else self.waiting).remove(row)
        row.is_running = False

    def schedule(self) -> list[RowShare]:
        """The rows of the next pass; empty if there is nothing to do."""
        budget = self._options.token_budget
        shares: list[RowShare] = []
        for row in sorted(self.running, key=lambda row: (row.num_pending > 1, row.arrival)):
            if row.is_running and (share := self._grant(row, budget, is_first=not shares)):
                shares.append(share)
                budget -= share.num_cells
        self._admit(shares, budget)
        return [share for share in shares if share.row.is_running]

    def _admit(self, shares: list[RowShare], budget: int) -> None:
        if not self.waiting:
            return
        for row in self._order(self.waiting):
            if budget <= 0 or len(self.running) >= self._options.max_running_rows:
                return
            if self._is_worth_waiting(row):
                continue
            self._start(row)
            if row.task.is_done:
                continue  # the cache held all it wanted
            share = self._grant(row, budget, is_first=not shares)
            if share is None:
                self._park(row)
                return
            shares.append(share)
            budget -= share.num_cells

    def _num_ready(self, row: Row) -> int:
        """Tokens of the row's tape that need not be computed."""
        return row.branch.num_computed if row.branch.page_table else self._memory.num_match(row.branch)

    def _start(self, row: Row) -> None:
        branch = row.branch
        if not branch.page_table and branch.num_computed == 0:
            self._memory.attach(branch)
        self.waiting.remove(row)
        self.running.append(row)
        row.is_running = True
        if row.cached_tokens is None:
            row.cached_tokens = branch.num_computed

    def _is_worth_waiting(self, row: Row) -> bool:
        """Whether a running row is just computing a prefix that this row shares: then it is taken from there."""
        branch = row.branch
        if branch.num_computed or branch.match_limit is not None or not self._memory.is_caching:
            return False
        page_size = self._memory.pool.page_size
        num_match: int | None = None
        for other in self.running:
            ahead = other.branch
            if ahead.namespace != branch.namespace or other.num_pending <= 1:
                continue
            shared = min(
                _common_len(branch.token_ids, ahead.token_ids), len(branch.token_ids) - 1, other.task.compute_len
            )
            if shared <= ahead.num_computed // page_size * page_size:
                continue
            if num_match is None:
                num_match = self._memory.num_match(branch)
            if shared // page_size * page_size > num_match:
                return True
        return False

    def _grant(self, row: Row, budget: int, *, is_first: bool) -> RowShare | None:
        """The row's share of the pass with its memory reserved, or None if it must sit this one out."""
        share = self._share(row, budget, is_first=is_first)
        if share is None:
            return None
        while not self._memory.reserve(row.branch, share.num_cells):
            if not self._make_room(row):
                return None
        return share

    def _share(self, row: Row, budget: int, *, is_first: bool) -> RowShare | None:
        if budget <= 0:
            return None
        num_tokens = min(row.num_pending, budget)
        is_complete = num_tokens == row.num_pending
        tree = row.task.tree
        if is_complete and tree is not None and num_tokens + len(tree) > budget and not is_first:
            # A tree is computed whole: it waits for a pass that has room.
            num_tokens, is_complete = num_tokens - 1, False
            if num_tokens <= 0:
                return None
        return RowShare(row, num_tokens, is_complete)

    def _make_room(self, row: Row) -> bool:
        """Take pages from whoever minds least, never from a row that arrived before `row`; False if nobody is left."""
        holders = [*self._idle_branches(), *(other.branch for other in self.waiting if other is not row)]
        for branch in holders:
            if branch.page_table:
                self._memory.release(branch)
                return True
        victims = [other for other in self.running if other is not row and other.arrival > row.arrival]
        if not victims:
            return False
        self.preempt(max(victims, key=lambda other: other.arrival))
        return True

    def preempt(self, row: Row) -> None:
        """Take a running row's pages; it waits and computes them again, unless the cache still has them."""
        row.num_preemptions += 1
        self.num_preemptions += 1
        self._park(row)

    def _park(self, row: Row) -> None:
        self._memory.release(row.branch)
        self.running.remove(row)
        row.is_running = False
        self.waiting.append(row)


def _common_len(left: list[int], right: list[int]) -> int:
    """Length of the common prefix; compares by slices, halving."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low

"""Scheduler: picks the rows of the next pass and how much of each, and finds the memory for it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from ...lang.events import SpeculationReport
from ..branch import Branch
from ..config import SchedulerOptions
from ..memory import Memory
from ..row import Row, RowShare
from ..speculation.speculator import NOTHING_GUESSED, Guesses, Speculator
from .admission import Admission
from .changing_heap import ChangingHeap
from .policy_choice import make_policy
from .preemption import choose_victim, num_lost_tokens
from .prefix_sharing import PrefixSharing
from .waiting_index import WaitingIndex

_MAX_SET_ASIDE = 128
"""Rows of which one decision finds that they had better wait for a leader; the others are looked at in the next."""


class Scheduler:
    """Admits, chunks, preempts and retires rows; there is no prefill and no decode, only rows with pending tokens.

    Rows that need one token go first, so that a long prompt never holds up rows that are writing; the rest of the
    step's token budget goes to prompts in order of seniority, a chunk each, and then to rows that wait, in the order
    of the policy. A row whose prefix another row is just computing is set aside, and takes it from there.

        waiting:  in the policy <--(its leader is done)-- set aside      running
                     ^  |  +---------(has a leader)-----------^           |  ^
                     |  +-------------------------------------------------|--+ there is memory for it
                     +----------------------------------------------------+ preempted

    When memory is short, in this order: the cache gives up what nobody uses, branches that are not running give their
    pages to the cache, and of the running rows that are less senior the one that loses least is preempted: it gives up
    its pages and computes them again later. Branches that are held give theirs up only to a row that runs alone:
    nobody else will return any.

    No row that was let in waits for ever. The most senior one, the one that arrived first (or has the highest priority,
    where the policy says so), is never preempted, since only juniors of the row in need are; and where not even it can
    go on (what it shares keeps pages of others locked), it is given the whole pool, and goes on without the cache. So
    it ends, and another is the most senior: each row's turn comes after finitely many others, however often it was
    preempted before. Who is let in, and when, is the policy's to say, even then. A row that is let in anew takes pages
    from running rows only if nobody is more senior.
    """

    def __init__(
        self,
        options: SchedulerOptions,
        memory: Memory,
        clock: Callable[[], float],
        speculator: Speculator | None = None,
    ) -> None:
        """`speculator`: who guesses what rows will write; None: nobody."""
        self._options = options
        self._speculator = speculator
        self._memory = memory
        self._clock = clock
        self.policy = make_policy(options)
        self.admission = Admission(options)
        self._index = WaitingIndex(memory.cache, self.policy) if memory.is_caching else None
        self._sharing = PrefixSharing(self._index, memory.pool.page_size) if self._index is not None else None
        self._waiting: dict[Row, None] = {}
        self.running: list[Row] = []
        self._by_seniority: ChangingHeap[Row] = ChangingHeap()
        self.num_served = 0
        self.num_preemptions = 0
        self.num_preempted_tokens = 0
        # Of the step that is being scheduled:
        self._shares: dict[Row, RowShare] = {}
        self._budget = 0
        self._holders: Iterator[Branch] = iter(())
        self._held: list[Branch] = []
        self._is_starved = False
        """A running row finds no memory, though it has taken that of its juniors: nobody is let in to take it back."""

    @property
    def waiting(self) -> Collection[Row]:
        """Rows that are not running."""
        return self._waiting.keys()

    @property
    def most_senior(self) -> Row | None:
        """The row that yields to no other."""
        return self._by_seniority.first()

    @property
    def first_to_go_on(self) -> Row | None:
        """The row that goes on where no more than one can: of those that were let in the most senior.

        If none was, the one that the policy lets in next: a row that went before its turn would take what the policy
        has promised to others.
        """
        next_row = self.policy.first()
        if next_row is None or (self.running and not next_row.num_preemptions):
            return min(self.running, key=self.policy.seniority, default=None)
        return min([*self.running, next_row], key=self.policy.seniority)

    def add(self, row: Row) -> None:
        """Take in a new row. A branch that already holds pages keeps them, until others need them."""
        self._by_seniority.set(row, self.policy.seniority(row))
        self.admission.enter(row)
        self._wait(row)

    def remove(self, row: Row) -> None:
        """Forget a row whose task is done or cancelled; its branch keeps its pages."""
        self._by_seniority.discard(row)
        self.admission.leave(row)
        if row.guesses is not None and self._speculator is not None:
            self._speculator.end(row.guesses)
        if row.is_running:
            self._stop_running(row)
        else:
            del self._waiting[row]
            self._leave_line(row)
            self._leave_index(row)

    def schedule(self) -> list[RowShare]:
        """The rows of the next pass, with the memory they need reserved; empty if no row has anything to compute."""
        self._shares = {}
        self._budget = self._options.token_budget
        self._holders = self._branches_at_rest()
        self._held = []
        self._is_starved = False
        self._stop_leading()
        for row in sorted(self.running, key=lambda row: (row.num_pending > 1, self.policy.seniority(row))):
            if row.is_running:
                self._grant(row, can_preempt=True)
        if not self._is_starved:
            self._admit()
        if not self._shares and not any(row.task.is_done for row in self.running):
            self._run_alone()
        shares = list(self._shares.values())
        for share in shares:
            self._charge(share)
        return shares if self._speculator is None else self._with_drafts(self._speculator, shares)

    def foresee(self, rows: Sequence[Row]) -> list[RowShare]:
        """The shares of the pass after the one whose tokens are being sampled, with a cell reserved for each.

        `rows`: those that sample. Empty where the next pass is not known before their tokens are: unless the running
        rows are these and no others, nobody who waits can be let in, nobody is guessed for, and there is room.
        """
        if len(rows) != len(self.running) or not all(row.is_running for row in rows):
            return []
        going_on = [row for row in rows if row.task.may_go_on]
        is_shut = not self._waiting or len(going_on) >= self._options.max_running_rows
        if not is_shut or self._is_guessing([row.guesses for row in rows]):
            return []
        if not all(self._memory.reserve(row.branch, 1) for row in going_on):
            return []
        return [RowShare(row, 1, is_complete=True) for row in going_on]

    def adopt(self, shares: Sequence[RowShare]) -> None:
        """These shares, foreseen, are what the next pass is in the end: `schedule` is not asked for it."""
        for share in shares:
            self._charge(share)
        if self._speculator is not None:
            self._speculator.rest(num_rows_ahead=len(shares))

    def _is_guessing(self, known: Iterable[Guesses | None]) -> bool:
        """Whether guesses are to be asked for, for some of these."""
        if self._speculator is None:
            return False
        return not self._speculator.is_resting or any(each is None or each.is_promising for each in known)

    def check_integrity(self) -> None:
        """Raise AssertionError unless the parts agree on who waits where, and on what is cached of it."""
        aside = len(self._sharing) if self._sharing is not None else 0
        assert len(self.policy) + aside == len(self._waiting), (len(self.policy), aside, len(self._waiting))
        for row in self._waiting:
            is_aside = self._sharing is not None and row in self._sharing
            assert (row in self.policy) != is_aside, f"row {row.arrival}: expected it in one place of two"
            assert not row.is_running, f"row {row.arrival} waits and runs"
        assert set(self._by_seniority) == {*self._waiting, *self.running}
        if self._index is not None:
            self._index.check_integrity()
        self.policy.check_integrity()

    # --- rows that wait

    def _wait(self, row: Row) -> None:
        row.is_running = False
        self._waiting[row] = None
        row.num_match = row.branch.num_computed
        self.policy.add(row, self._index.add(row) if self._index is not None and not row.is_private else None)

    def _set_aside(self, row: Row) -> bool:
        """Let a row follow another that is computing what it begins with; False if there is no such."""
        if self._sharing is None:
            return False
        leader = self._sharing.find_leader(row)
        if leader is None:
            return False
        self.policy.remove(row)
        self._sharing.follow(row, leader)
        return True

    def _leave_line(self, row: Row) -> None:
        if self._sharing is None or not self._sharing.free(row):
            self.policy.remove(row)

    def _leave_index(self, row: Row) -> None:
        """A row neither waits nor leads any more; who followed it is free."""
        if self._index is None or self._sharing is None:
            return
        self._index.remove(row)
        for each in self._sharing.followers(row):
            self._sharing.free(each)
            self.policy.add(each, self._index.node_of(each))

    def _stop_leading(self) -> None:
        """Rows that have computed their prompts have no more to give to those that follow them."""
        if self._index is not None:
            for row in [row for row in self._index.leaders if row.num_pending <= 1]:
                self._leave_index(row)

    # --- rows that start and stop

    def _admit(self) -> None:
        num_set_aside = 0
        while self._budget > 0 and len(self.running) < self._options.max_running_rows:
            row = self.policy.first()
            if row is None:
                return
            if self._set_aside(row):
                num_set_aside += 1
                if num_set_aside == _MAX_SET_ASIDE:
                    return
                continue
            self._start(row)
            # The cache may hold all that a task wants; then it is done without a pass.
            if not row.task.is_done and not self._grant(row, can_preempt=row is self.most_senior):
                self._go_back(row)
                return
            self._leave_line(row)
            self._serve(row)

    def _start(self, row: Row) -> None:
        """Make a waiting row a running one. It keeps its place among those that wait until it is certain."""
        branch = row.branch
        del self._waiting[row]
        num_match = self._index.match_len(row) if self._index is not None and not row.is_private else 0
        # An earlier run of the same program may have computed what comes after this branch's own pages, too.
        if row.num_pending > 1 and num_match > branch.num_computed:
            self._memory.release(branch)
            self._memory.attach(branch, row.match_limit)
        self.running.append(row)
        row.is_running = True

    def _go_back(self, row: Row) -> None:
        """There was no memory for a row that was started: it waits as before."""
        self._memory.release(row.branch)
        self.running.remove(row)
        row.is_running = False
        self._waiting[row] = None

    def _serve(self, row: Row) -> None:
        """A row that was started and does not wait any more goes into the pass."""
        if row.cached_tokens is None:
            row.cached_tokens = row.branch.num_computed
            row.charged_len = row.task.compute_len
            self.num_served += 1
            self.admission.begin(row.ticket)
            self.policy.serve(row, max(row.num_pending, 0))
        if self._index is None or row not in self._index:
            return
        if row.num_pending > 1:
            self._index.lead(row)
        else:
            self._leave_index(row)

    def _stop_running(self, row: Row) -> None:
        self.running.remove(row)
        row.is_running = False
        self._leave_index(row)

    def _preempt(self, row: Row) -> None:
        """Take a running row's pages; it waits and computes them again, unless the cache still has them."""
        row.num_preemptions += 1
        row.stopwatch.num_preemptions += 1
        self.num_preemptions += 1
        self.num_preempted_tokens += num_lost_tokens(row, self._memory.pool)
        share = self._shares.pop(row, None)
        if share is not None:
            self._budget += share.num_cells
        self._memory.release(row.branch)
        self._stop_running(row)
        self._wait(row)

    def _run_alone(self) -> None:
        """Take everyone's pages; one row goes on, with pages of its own only: so it was checked to fit the pool."""
        row = self.first_to_go_on
        if row is None:
            return
        for other in list(self.running):
            self._preempt(other)
        for branch in self._memory.holders:
            self._memory.release(branch)
        row.is_private = True
        self._leave_line(row)
        self._leave_index(row)
        self._start(row)
        self._grant(row, can_preempt=False)
        self._serve(row)

    # --- shares

    def _grant(self, row: Row, *, can_preempt: bool) -> bool:
        """Give the row a share of the pass and reserve its memory; False if it must sit this one out."""
        share = self._share(row)
        if share is None:
            return False
        while not self._memory.reserve(row.branch, share.num_cells):
            if not self._make_room(row, can_preempt=can_preempt):
                self._is_starved = True
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

    def _charge(self, share: RowShare) -> None:
        """Charge the row's tenant with what it was not charged with yet: what is computed again is not its fault."""
        row = share.row
        end = row.branch.num_computed + share.num_tokens
        num_tokens = max(0, end - row.charged_len) + share.num_tree_nodes
        if num_tokens:
            row.charged_len = max(end, row.charged_len)
            self.policy.charge(row, num_tokens)

    def _with_drafts(self, speculator: Speculator, shares: list[RowShare]) -> list[RowShare]:
        """The same shares; some have guesses to be checked, as far as the budget and the free pages go."""
        if not self._is_guessing([share.row.guesses for share in shares]):
            speculator.rest()
            return shares
        followed: list[tuple[int, Guesses]] = []
        for index, share in enumerate(shares):
            row = share.row
            text = row.task.draft_text() if share.is_complete and not row.is_private else None
            if text is not None:
                if row.guesses is None:
                    row.guesses = speculator.begin(text)
                followed.append((index, row.guesses))
        if not followed or self._budget <= 0:
            return shares
        trees = speculator.trees(
            [guesses for _, guesses in followed],
            num_rows=len(followed),
            num_tokens=sum(share.num_cells for share in shares),
            max_nodes=self._budget,
        )
        for (index, _), tree in zip(followed, trees, strict=True):
            share = shares[index]
            num_cells = share.num_tokens + len(tree)
            if len(tree) and self._memory.has_room(share.row.branch, num_cells):
                self._memory.reserve(share.row.branch, num_cells)
                shares[index] = replace(share, draft=tree)
        return shares

    def speculation_report(self, row: Row) -> SpeculationReport | None:
        """What came of the guesses at what the row wrote; None where nobody guesses."""
        if self._speculator is None:
            return None
        return NOTHING_GUESSED if row.guesses is None else row.guesses.report

    # --- memory

    def _make_room(self, row: Row, *, can_preempt: bool) -> bool:
        """Take pages from whoever minds least, never from a row more senior than `row`; False if nobody is left."""
        busy = {id(other.branch) for other in self.running}
        now = self._clock()
        for branch in self._holders:
            if not branch.page_table or id(branch) in busy:
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
        if not can_preempt:
            return False
        own = self.policy.seniority(row)
        victim = choose_victim([other for other in others if self.policy.seniority(other) > own], self._memory.pool)
        if victim is None:
            return False
        self._preempt(victim)
        return True

    def _branches_at_rest(self) -> Iterator[Branch]:
        """Branches that may hold pages; those of rows that run by then are not at rest."""
        yield from self._memory.holders

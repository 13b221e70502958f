"""EngineCore: one step of the loop, and what may be asked of it between steps."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from ..lang.events import Event
from ..lang.ir import Operation
from ..lang.terms import DEFAULT_TERMS, Terms
from .config import SchedulerOptions
from .errors import ConstraintDeadEnd, EngineClosed, StepFailed
from .filled_mask import FilledMask
from .joined_rows import join_rows
from .live_branches import LiveBranches
from .mask_filler import MaskFiller
from .memory import Memory
from .model_runner import LaunchedPass, ModelRunner, RowLogits
from .operations.starter import Starter
from .plans.plan_request import PlanRequest
from .plans.program import Program
from .request import Ended, Listener, Request
from .row import Row, RowShare
from .run_ahead import RunAhead
from .sampler import SampledToken, Sampler, SampleRow, SamplingError
from .scheduling.scheduler import Scheduler
from .speculation.speculation_counts import SpeculationCounts
from .speculation.speculator import Speculator
from .speculation.tree_walk import TreeWalk

_Place = tuple[Row, SampleRow, Tensor]
"""Where a row samples a token: how, and from which logits, [vocab_size]."""


class EngineCore:
    """The engine without a thread: deterministic, driven by `step`.

    A step schedules rows, runs the model on them, samples, and commits; an operation that ends lets the next one
    of its branch start in the very next step (behind a pass that is ahead, where there is one). Whatever fails ends
    the request it belongs to, and no other. What happens is told to the requests' listeners, in order, at the end of
    each call.
    """

    def __init__(
        self,
        starter: Starter,
        runner: ModelRunner,
        sampler: Sampler,
        memory: Memory,
        scheduler_options: SchedulerOptions,
        draw_seed: Callable[[], int],
        clock: Callable[[], float] = time.perf_counter,
        num_mask_threads: int = 0,
        speculator: Speculator | None = None,
        *,
        overlaps: bool = False,
    ) -> None:
        """`draw_seed`: the seeds of branches that come without; `clock`: seconds from anywhere, never going back;
        `num_mask_threads`: see `ConstraintOptions`; `speculator`: who guesses what comes next; None: nobody;
        `overlaps`: whether passes are launched ahead, see `RunAhead`.
        """
        self._clock = clock
        self._starter = starter
        self._runner = runner
        self._sampler = sampler
        self._mask_filler = MaskFiller(sampler.vocab_size, num_mask_threads)
        self.memory = memory
        self._speculator = speculator
        self._wants_hidden = speculator is not None and speculator.wants_hidden
        self.scheduler = Scheduler(scheduler_options, memory, clock, speculator)
        self._overlaps = overlaps and not self._wants_hidden  # who guesses from hidden states guesses in every pass
        self._run_ahead = RunAhead(runner, self.scheduler)
        self.branches = LiveBranches(starter, memory, self.scheduler, draw_seed, clock)
        self.num_steps = 0
        self.num_computed_tokens = 0
        self.num_rollbacks = 0
        self.num_tokens_taken_back = 0
        self._announced: deque[Program] = deque()
        """Programs with something to publish."""

    # --- the loop

    def step(self) -> bool:
        """Run one forward pass over the rows that are due; False if there is nothing left to do.

        On CUDA the pass is launched, masks are filled while it runs, and the host waits when tokens are read; by then
        the next pass may be on its way (`RunAhead`). Raises: DeviceLost; the engine can only be shut down then.
        """
        self.branches.expire()
        ahead = self._run_ahead.take()
        shares = self.scheduler.schedule() if ahead is None else ahead.shares
        if shares:
            constrained = [share.row for share in shares if _wants_mask(share)]
            job = self._mask_filler.start([row.task for row in constrained])
            launched = self._launch(shares) if ahead is None else ahead
            masks = dict(zip(constrained, job.collect(), strict=True))
            if launched is not None:
                self._commit(launched, masks)
        num_retired = self.branches.retire()
        stuck = self.scheduler.first_to_go_on if not shares and not num_retired else None
        if stuck is not None:
            # Every request was checked to fit the pool, so this is a fault of ours; it must not become a hang.
            self.branches.fail(stuck, StepFailed("the pool has no room for this request, even alone"))
        self._publish()
        if not self.has_work:
            self._run_ahead.drop()
            if self._speculator is not None:
                self._speculator.pause()
        return self.has_work

    def claim_thread(self) -> None:
        """Say once, on the thread that is going to call `step`, that it will."""
        self._runner.claim_thread()

    @property
    def has_work(self) -> bool:
        """Whether `step` would do something."""
        return bool(self.branches.rows)

    # --- what may be asked between steps

    def open_branch(self, seed: int | None, namespace: str) -> int:
        """A new, empty branch; returns its id. `seed`: the key of its noise, drawn if None."""
        return self.branches.open(seed, namespace)

    def submit(self, request: Request) -> None:
        """Queue the operations of a request on its branch. Its listener gets exactly one `Ended`, sooner or later."""
        self.branches.submit(request)
        self._publish()

    def submit_alone(
        self, operations: tuple[Operation, ...], listener: Listener, terms: Terms = DEFAULT_TERMS
    ) -> Request:
        """A request on a branch of its own, which ends with it."""
        branch_id = self.open_branch(None, "")

        def listen(item: Event | Ended) -> None:
            if isinstance(item, Ended):
                self.close_branch(branch_id)
            listener(item)

        request = Request(branch_id, operations, listen, terms=terms)
        self.submit(request)
        return request

    def cancel(self, request: Request) -> None:
        """Stop a request at once; one that has ended already is left alone. Its branch takes no more operations."""
        self.branches.cancel(request)
        self._publish()

    def close_branch(self, branch_id: int) -> None:
        """End a branch: what it still has to do is cancelled, what it computed stays in the cache."""
        self.branches.close(branch_id)
        self._publish()

    def hold_branch(self, branch_id: int, seconds: float) -> None:
        """Keep the pages of a branch without work until it has some, for that long at most.

        They are given up earlier only to a row that runs alone and finds no others.
        """
        self.branches.hold(branch_id, seconds)

    def start_plan(self, request: PlanRequest) -> Program:
        """Begin a plan; its listener hears of every branch of it, at the end of the step in which it happens."""
        program = Program(request, self.branches, self._announced.append)
        program.start()
        self._publish()
        return program

    def cancel_plan(self, program: Program) -> None:
        """Stop what still runs of a plan, and close all branches that it opened."""
        program.cancel()
        self._publish()

    def flush_cache(self) -> None:
        """Forget all cached prefixes that no running or held branch uses, and what is guessed from of texts of late."""
        now = self._clock()
        for branch in self.branches.idle():
            if not branch.is_held(now):
                self.memory.release(branch)
        self.memory.cache.flush()
        if self._speculator is not None:
            self._speculator.forget()

    def shut_down(self, cause: BaseException | None = None) -> None:
        """End all branches. Every open request hears of it first, with `cause` where the engine failed."""
        self.branches.abandon(lambda: _closed(cause))
        self._publish()
        self.branches.forget_all()
        self._run_ahead.drop()
        self._mask_filler.close()

    def stats(self) -> dict[str, int]:
        """Counters since the start, and what is queued, running, free and cached now."""
        return {
            "num_steps": self.num_steps,
            "num_computed_tokens": self.num_computed_tokens,
            "num_passes_ahead": self._run_ahead.num_passes,
            "num_tokens_ahead_in_vain": self._run_ahead.num_tokens_in_vain,
            "num_rollbacks": self.num_rollbacks,
            "num_tokens_taken_back": self.num_tokens_taken_back,
            "num_preemptions": self.scheduler.num_preemptions,
            "num_preempted_tokens": self.scheduler.num_preempted_tokens,
            "num_queued_requests": self.scheduler.admission.num_requests,
            "num_queued_tokens": self.scheduler.admission.num_tokens,
            "num_refused_requests": self.scheduler.admission.num_refused,
            "num_expired_requests": self.branches.num_expired,
            "num_running_rows": len(self.scheduler.running),
            "num_free_pages": self.memory.pool.num_free_pages,
            "num_pages": self.memory.pool.num_pages,
            "page_size": self.memory.pool.page_size,
            "num_cached_tokens": self.memory.cache.num_cached_tokens,
            "num_evicted_tokens": self.memory.cache.num_evicted_tokens,
            "num_branches": self.branches.num_open,
            "num_masks": self._mask_filler.num_masks,
            "mask_fill_us": round(self._mask_filler.fill_s * 1e6),
            "mask_wait_us": round(self._mask_filler.wait_s * 1e6),
            **self._runner.stats(),
            **(self._speculator.counts if self._speculator is not None else SpeculationCounts()).stats(),
            **self._starter.compiler.stats(),
        }

    def check_integrity(self) -> None:
        """Raise AssertionError unless pool, tree, branches and rows agree."""
        self.memory.check_integrity(self.branches.all())
        scheduled = {*self.scheduler.running, *self.scheduler.waiting}
        assert scheduled == set(self.branches.rows), (
            f"{len(scheduled)} rows are scheduled, {len(set(self.branches.rows))} have work"
        )
        self.scheduler.check_integrity()

    # --- a step's parts

    def _launch(self, shares: Sequence[RowShare]) -> LaunchedPass | None:
        now = self._clock()
        for share in shares:
            share.row.stopwatch.start(now)
        try:
            return LaunchedPass(shares, self._runner.run(shares, wants_hidden=self._wants_hidden))
        except Exception as error:  # noqa: BLE001 - whatever a model raises must end its rows and nothing else
            self._runner.check_device(error)
            for share in shares:
                self.branches.fail(share.row, _step_failed("the forward pass", error))
            return None

    def _commit(self, launched: LaunchedPass, masks: Mapping[Row, FilledMask]) -> None:
        shares = launched.shares
        self.num_steps += 1
        self.num_computed_tokens += sum(share.num_cells for share in shares)
        for share in shares:
            share.row.branch.num_computed += share.num_tokens
        sampling: list[_Place] = []
        walks: dict[Row, TreeWalk] = {}
        for share, row_logits in zip(shares, launched.logits, strict=True):
            row = share.row
            sample_row = self._receive_logits(share, row_logits, masks.get(row))
            if sample_row is not None and row_logits.last is not None:
                sampling.append((row, sample_row, row_logits.last))
                if share.draft is not None:
                    walks[row] = TreeWalk(share.draft, row_logits.nodes)
            if share.num_tokens > 1 and not row.is_private and row in self.branches.rows:
                self.memory.publish(row.branch)
        can_run_ahead = self._overlaps and not walks
        going_on = self._receive_tokens(self._sample(sampling, can_run_ahead=can_run_ahead), walks)
        if self._speculator is not None:
            self._check_guesses(self._speculator, shares, walks, going_on)
            if self._wants_hidden:
                self._show_hidden(self._speculator, launched, walks)

    def _receive_logits(self, share: RowShare, logits: RowLogits, mask: FilledMask | None) -> SampleRow | None:
        row, task = share.row, share.row.task
        try:
            if logits.score_positions:
                task.receive_scores(logits.score_positions, logits.scores)
            if not share.is_complete:
                return None
            if task.tree is not None:
                task.receive_tree(logits.last, logits.nodes)
                return None
        except Exception as error:  # noqa: BLE001 - a row that fails must end alone
            self._runner.check_device(error)
            self.branches.fail(row, _step_failed("an operation", error))
            return None
        return self._sample_row(row, mask) if logits.last is not None else None

    def _sample_row(self, row: Row, mask: FilledMask | None) -> SampleRow | None:
        """How to sample the row's next token; None if it wants none, goes back, or has failed."""
        tape_len = len(row.branch.token_ids)
        try:
            sample_row = row.task.sample_row(mask)
        except ConstraintDeadEnd as error:
            self.branches.fail(row, error)
            return None
        except Exception as error:  # noqa: BLE001 - a row that fails must end alone
            self.branches.fail(row, _step_failed("an operation", error))
            return None
        num_taken_back = tape_len - len(row.branch.token_ids)
        if num_taken_back:
            self.num_rollbacks += 1
            self.num_tokens_taken_back += num_taken_back
            row.charged_len = min(row.charged_len, len(row.branch.token_ids))  # what comes instead is charged anew
        return sample_row

    def _receive_tokens(self, tokens: list[tuple[Row, SampledToken]], walks: Mapping[Row, TreeWalk]) -> list[Row]:
        """Hand out what was sampled; returns the rows whose token had been guessed, and that go on from there."""
        now = self._clock()
        going_on = []
        for row, token in tokens:
            row.stopwatch.sample(now)
            if row not in self.branches.rows:
                continue  # another row of its operation has failed
            try:
                row.task.receive_token(token)
            except Exception as error:  # noqa: BLE001 - a row that fails must end alone
                self.branches.fail(row, _step_failed("an operation", error))
                continue
            walk = walks.get(row)
            num_skipped = walk.follow(token.token_id) if walk is not None else None
            if num_skipped is not None and row.task.draft_text() is not None:
                self.memory.accept_cell(row.branch, num_skipped)
                going_on.append(row)
        return going_on

    def _next_places(self, rows: list[Row], walks: Mapping[Row, TreeWalk]) -> list[_Place]:
        """Where the rows sample next, in the pass that is done already."""
        constrained = [row for row in rows if row.task.wants_mask]
        masks = dict(zip(constrained, self._mask_filler.fill([row.task for row in constrained]), strict=True))
        sample_rows = [(row, self._sample_row(row, masks.get(row))) for row in rows]
        return [(row, each, walks[row].next_logits) for row, each in sample_rows if each is not None]

    def _check_guesses(
        self, speculator: Speculator, shares: Sequence[RowShare], walks: Mapping[Row, TreeWalk], going_on: list[Row]
    ) -> None:
        """Go on from right guess to right guess; then give back what wrong ones took, and learn from them."""
        start = speculator.clock()
        while going_on:
            going_on = self._receive_tokens(self._sample(self._next_places(going_on, walks)), walks)
        for share in shares:
            if share.draft is not None and share.row in self.branches.rows:
                self.memory.trim(share.row.branch)
        for row, walk in walks.items():
            assert row.guesses is not None, "somebody has guessed for this row"
            speculator.learn(row.guesses, walk.tree, walk.right, walk.num_checked)
        speculator.end_pass(speculator.clock() - start)

    def _show_hidden(self, speculator: Speculator, launched: LaunchedPass, walks: Mapping[Row, TreeWalk]) -> None:
        """Hand the states from which tokens were sampled to those who guess from them."""
        for share, row_logits in zip(launched.shares, launched.logits, strict=True):
            row = share.row
            is_going_on = row in self.branches.rows and row.task.draft_text() is not None
            if row_logits.hidden is not None and row.guesses is not None and is_going_on:
                right = walks[row].right if row in walks else []
                speculator.see_hidden(row.guesses, row_logits.hidden[[0, *(1 + node for node in right)]])

    def _sample(self, places: list[_Place], *, can_run_ahead: bool = False) -> list[tuple[Row, SampledToken]]:
        """Sample a token at each place, and launch the next pass before they are read, if that may be and is known."""
        if not places:
            return []
        try:
            logits = join_rows([logits for _, _, logits in places])
            sampling = self._sampler.launch(logits, [sample_row for _, sample_row, _ in places])
            if can_run_ahead:
                self._run_ahead.launch([row for row, _, _ in places], sampling)
            outcomes = sampling.read()
        except Exception as error:  # noqa: BLE001 - found out below whose fault it is
            self._runner.check_device(error)
            # A pass that is ahead may have overwritten the logits, kernels that were launched may have changed them.
            is_lost = self._run_ahead.is_under_way or (places[0][2].is_cuda and not isinstance(error, ValueError))
            if len(places) == 1 or is_lost:
                for row, _, _ in places:
                    self.branches.fail(row, _step_failed("sampling", error))
                return []
            # One row spoilt it for all. A row's sample does not depend on the others, so each can be drawn alone.
            return [pair for place in places for pair in self._sample([place])]
        tokens = []
        for (row, _, _), outcome in zip(places, outcomes, strict=True):
            if isinstance(outcome, SamplingError):
                self.branches.fail(row, _step_failed("sampling", outcome))
            else:
                tokens.append((row, outcome))
        return tokens

    def _publish(self) -> None:
        outbox = self.branches.outbox
        while outbox or self._announced:
            while outbox:
                request, item = outbox.popleft()
                try:
                    request.listener(item)
                except Exception:  # noqa: BLE001 - whoever cannot listen gets no more; the others do
                    self.branches.cancel(request)
            self._publish_programs()

    def _publish_programs(self) -> None:
        for program in [self._announced.popleft() for _ in range(len(self._announced))]:
            try:
                program.publish()
            except Exception:  # noqa: BLE001 - as above
                program.cancel()


def _wants_mask(share: RowShare) -> bool:
    """Whether a constrained token is to be sampled after the pass."""
    row = share.row
    is_whole = share.is_complete and row.branch.num_computed + share.num_tokens == len(row.branch.token_ids)
    return is_whole and row.task.wants_mask


def _step_failed(what: str, error: Exception) -> StepFailed:
    failed = StepFailed(f"{what} failed: {type(error).__name__}: {error}")
    failed.__cause__ = error
    return failed


def _closed(cause: BaseException | None) -> EngineClosed:
    if cause is None:
        return EngineClosed("the engine was shut down before the request ended")
    closed = EngineClosed(f"the engine failed and was shut down: {type(cause).__name__}: {cause}")
    closed.__cause__ = cause
    return closed

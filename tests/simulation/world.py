"""World: one engine on virtual time with all that happens to it, checked against the oracle after every move."""

from collections.abc import Sequence
from functools import partial

from engine_harness import Harness
from explanations import Explanations
from faults import FaultyCompiler, FaultySampler, FaultyTokenizer, InjectedFault
from gap_watch import GapWatch
from hold_watch import HoldWatch
from knobs import Knobs
from ledger import Ledger
from limb import Limb, RequestWatch
from notes import Briefly, Note, StepDetails
from oracle import Limits, NaiveBranch
from order_watch import OrderWatch
from plan_watch import NaivePlan, PlanWatch
from random_plans import DrawnPlan
from tiny_language import COMPILER, TOKENIZER, VOCAB_SIZE
from wait_watch import WaitWatch
from wild_drafts import WildDrafts

from palmette.lang.events import BranchEnded, Event, Forked
from palmette.lang.ir import Gen, Join, Operation, Select
from palmette.runtime.branch import Branch
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.errors import DeadlineExceeded
from palmette.runtime.models.batch import Batch
from palmette.runtime.plans.plan_check import check_plan
from palmette.runtime.plans.plan_request import PlanRequest
from palmette.runtime.request import Ended, Request
from palmette.runtime.speculation.count_drafts import CountDrafts
from palmette.runtime.speculation.drafter import Drafter
from palmette.runtime.speculation.forced_drafts import ForcedDrafts
from palmette.runtime.speculation.radix_drafts import RadixDrafts
from palmette.runtime.speculation.segment_feed import SegmentFeed
from palmette.runtime.speculation.segment_store import SegmentStore
from palmette.runtime.speculation.suffix_drafts import SuffixDrafts
from palmette.runtime.ticket import DEFAULT_TERMS, Terms, Ticket

STEP_SECONDS = 0.001


class World:
    """Everything here is what a caller could do, and whatever the engine answers is checked at once.

    All ids, seeds and times come from counters, so the same moves on the same knobs are the same run.
    """

    def __init__(self, knobs: Knobs, note: Note | None = None) -> None:
        self.knobs = knobs
        self.now = 0.0
        self.num_steps = 0
        self.limbs: list[Limb] = []
        self.plans: list[PlanWatch] = []
        self._listener = note
        self._sampler = FaultySampler()
        self._tokenizer = FaultyTokenizer()
        self._harness = Harness(
            num_pages=knobs.num_pages,
            page_size=knobs.page_size,
            options=knobs.scheduler_options,
            eviction_policy=knobs.eviction_policy,
            is_caching=knobs.is_caching,
            context_len=knobs.context_len,
            clock=lambda: self.now,
            tokenizer=self._tokenizer,  # type: ignore[arg-type] # it hands on all but one method
            compiler=FaultyCompiler(knobs.matcher_fuse if knobs.has_faults else None),
            sampler=self._sampler,
            make_drafters=self._make_drafters if knobs.has_guesses else None,
            overlaps=knobs.overlaps,
        )
        self.core = self._harness.core
        self._harness.model.on_pass = self._hear_pass
        self._excess: str | None = None
        """A pass that was larger than it may be."""
        self._begun: set[Ticket] = set()
        scheduler = self.core.scheduler
        self._watches = (
            WaitWatch(scheduler.policy, knobs),
            GapWatch(scheduler),
            OrderWatch(scheduler, knobs),
            HoldWatch(self.core, lambda: self.now, lambda: self._explanations.is_shut),
        )
        self._limits = Limits(knobs.context_len, knobs.num_pages * knobs.page_size)
        self._explanations = Explanations(knobs)
        self._num_seeds = 0
        self._num_failing_passes = 0
        self._num_busy_steps = 0
        self._work = 0
        """Tokens that all requests so far may need, computed once each."""
        self._note("engine", str(knobs))

    def _make_drafters(self, cache: RadixCache) -> list[Drafter]:
        """All sources, and one that guesses blindly: among so few tokens it is right now and then."""
        store = SegmentStore(512)
        cache.listeners.append(SegmentFeed(store))
        return [
            WildDrafts(range(VOCAB_SIZE), self.knobs.pool_len),
            ForcedDrafts(COMPILER.vocabulary, partial(TOKENIZER.encode, has_special=False)),
            RadixDrafts(cache),
            SuffixDrafts(store),
            CountDrafts(),
        ]

    # --- branches and requests

    def open(self, namespace: str) -> Limb:
        """A new branch, with a seed of its own."""
        seed = self._next_seed()
        limb = Limb(self.core.open_branch(seed, namespace), NaiveBranch(Branch(0, namespace, seed), self._limits))
        self.limbs.append(limb)
        self._note("open", f"branch {limb.branch_id}, seed {seed}, namespace {namespace!r}")
        return limb

    def submit(
        self,
        limb: Limb,
        operations: Sequence[Operation],
        *,
        terms: Terms = DEFAULT_TERMS,
        joined: Sequence[Limb] = (),
        deaf_after: int | None = None,
    ) -> RequestWatch:
        """Operations for a branch; `joined`: the children that the first of them, a `Join`, names."""
        ledger = Ledger()
        watch = RequestWatch(limb, tuple(operations), ledger, self.now, deaf_after)
        for index, operation in enumerate(operations):
            if not limb.is_alive:
                break
            children = [child.naive for child in joined] if isinstance(operation, Join) else ()
            self._work += self._work_of(limb.naive, operation)
            ledger.outcomes[index] = limb.naive.run(operation, children)
            limb.is_refused = ledger.refusal is not None
        watch.request = Request(limb.branch_id, watch.operations, watch, terms=terms)
        limb.watches.append(watch)
        self._note("submit", "branch", limb.branch_id, Briefly(operations), Briefly(terms))
        self.core.submit(watch.request)
        self._settle()
        return watch

    def cancel(self, watch: RequestWatch) -> None:
        """Cancel a request, wherever it is."""
        self._note("cancel", f"a request of branch {watch.limb.branch_id}")
        watch.limb.is_cut = watch.limb.is_cut or watch.ended is None
        self.core.cancel(watch.request)
        self._settle()
        assert watch.ended is not None, "a cancelled request got no answer"

    def close(self, limb: Limb) -> None:
        """Close a branch, whatever it is at."""
        self._note("close", f"branch {limb.branch_id}")
        limb.is_cut = limb.is_closed = True
        if limb.plan is not None:
            limb.plan.is_cut = True
        self.core.close_branch(limb.branch_id)
        self._settle()
        assert all(watch.ended for watch in limb.watches), "a closed branch left requests without an answer"

    def hold(self, limb: Limb, seconds: float) -> None:
        """Ask for the pages of a branch to be kept."""
        self._note("hold", f"branch {limb.branch_id} for {seconds} s")
        self.core.hold_branch(limb.branch_id, seconds)
        self._settle()

    def flush(self) -> None:
        """Flush the cache in the middle of it all."""
        self._note("flush", "")
        self.core.flush_cache()
        self._settle()

    # --- plans

    def start_plan(
        self,
        drawn: DrawnPlan,
        namespace: str,
        *,
        terms: Terms,
        is_streaming: bool,
        deaf_after: int | None,
        root: Limb | None = None,
    ) -> PlanWatch:
        """A plan on branches of its own; the first may be a branch that lives and has nothing to do."""
        roots = {} if root is None else {0: root.branch_id}
        check_plan(drawn.plan, roots)
        seed = self._next_seed()
        naive = NaivePlan(drawn, seed, self._limits, {} if root is None else {0: root.naive})
        self._work += sum(
            len(outcome.text) + 8 for ledger in naive.ledgers.values() for outcome in ledger.outcomes.values()
        ) * (1 + len(drawn.plan.branches))
        watch = PlanWatch(drawn, naive, self.now, deaf_after)
        if root is not None:
            root.plan = watch
        self.plans.append(watch)
        self._note(
            "plan", len(self.plans) - 1, f"seed {seed}, namespace {namespace!r}", roots, terms, f"\n{drawn.plan}"
        )
        watch.request = PlanRequest(drawn.plan, roots, watch, seed, namespace, is_streaming, terms=terms)
        watch.program = self.core.start_plan(watch.request)
        self._settle()
        return watch

    def cancel_plan(self, watch: PlanWatch) -> None:
        """Stop a plan and close its branches, done or not."""
        self._note("cancel", f"plan {self.plans.index(watch)}")
        watch.is_cut = True
        self.core.cancel_plan(watch.program)
        self._settle()
        assert watch.is_done, "a cancelled plan left branches without an end"

    # --- faults

    def fail_pass(self) -> None:
        """Let the next forward pass fail."""
        self._note("fault", "the next forward pass")
        self._harness.model.failures.append(InjectedFault("a forward pass", is_shared=True))
        self._num_failing_passes += 1

    def fail_sampling(self, limb: Limb) -> None:
        """Let every token of a branch, or of the last of its further samples, fail to be sampled, from now on."""
        self._note("fault", f"sampling of branch {limb.branch_id}")
        path = limb.naive.last_path if limb.branch_id % 2 else limb.naive.branch.path
        self._sampler.victims[limb.naive.branch.seed, path] = InjectedFault("a sampler")

    def fail_detokenizer(self, num_tokens: int) -> None:
        """Let the next detokeniser that is made fail after so many tokens."""
        self._note("fault", f"the next detokeniser, after {num_tokens} tokens")
        self._tokenizer.fuse = num_tokens

    # --- time

    def step(self) -> bool:
        """One step of the engine, and a little time."""
        self.now += STEP_SECONDS
        before = self.core.stats()
        self._num_busy_steps += self.core.has_work
        has_more = self.core.step()
        self.num_steps += 1
        self._note("step", self.num_steps, StepDetails(before, self.core.stats()))
        self._settle()
        self._check_deadlines()
        return has_more

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self._note("wait", f"{seconds} s")
        self.now += seconds

    def finish(self, *, is_shut_down: bool = False) -> None:
        """Let everything end, or shut the engine down; then nothing may be left."""
        if is_shut_down:
            self._note("shut down", "")
            self._explanations.is_shut = True
            self.core.shut_down()
            self._settle()
        else:
            while self.step():
                self._check_waiting()
        self._check_answered()
        num_failed_ahead = self.core._run_ahead.num_failures
        assert num_failed_ahead <= self._num_failing_passes, f"{num_failed_ahead} passes failed ahead, unasked"
        for plan in self.plans:
            self.cancel_plan(plan)
        for limb in [limb for limb in self.limbs if not limb.is_closed]:
            self.close(limb)
        stats = self.core.stats()
        left = {name: stats[name] for name in ("num_queued_requests", "num_queued_tokens", "num_running_rows")}
        assert not any(left.values()), f"nothing is left to do, but {left}"
        self._note("flush", "the end")
        self._harness.check_all_returned()

    # --- checks

    def _settle(self) -> None:
        """Check the engine's books, and all that has been heard since the last time."""
        self.core.check_integrity()
        assert self._excess is None, self._excess
        for watch_of_policy in self._watches:
            assert watch_of_policy.broken is None, watch_of_policy.broken
        for limb in list(self.limbs):
            for watch in limb.watches:
                for item in watch.take():
                    self._hear(watch, item)
        for number, plan in enumerate(self.plans):
            items = plan.take()
            if items:
                self._note("heard", f"plan {number}:", *items)
            for index, item in items:
                if isinstance(item, BranchEnded):
                    self._explanations.check_plan(plan, index, item, self.now)
        for limb in list(self.limbs):
            self._take_back(limb)

    def _hear(self, watch: RequestWatch, item: Event | Ended) -> None:
        limb = watch.limb
        self._note("heard", "branch", limb.branch_id, item)
        if isinstance(item, Forked):
            for branch_id, naive in zip(
                item.branch_ids, watch.ledger.outcomes[item.operation_index].children, strict=True
            ):
                self.limbs.append(Limb(branch_id, naive, limb))
        if isinstance(item, Ended) and item.error is not None:
            self._explanations.check_request(watch, item, self.now)
            limb.error = limb.error or item.error

    def _take_back(self, limb: Limb) -> None:
        """A branch goes on on its own when the plan that ran on it has ended well."""
        if limb.plan is not None and limb.plan.is_done:
            has_failed = limb.plan.is_cut or limb.plan.ended[0].error is not None
            limb.plan = None
            if has_failed and not limb.is_closed:
                limb.is_cut = True
                self._let_go(limb)

    def _let_go(self, limb: Limb) -> None:
        limb.is_closed = True
        self.core.close_branch(limb.branch_id)

    def _check_deadlines(self) -> None:
        """What has run out of time was told so."""
        open_watches = [watch for limb in self.limbs for watch in limb.watches if watch.ended is None]
        for watch in [*open_watches, *(plan for plan in self.plans if not plan.is_done)]:
            limit = watch.request.terms.timeout_s
            assert limit is None or self.now < watch.born + limit, f"a request is {self.now - watch.born} s old"

        for row in self.core.scheduler.waiting:
            ticket, limit = row.ticket, row.ticket.terms.queue_timeout_s
            is_late = limit is not None and not ticket.has_begun and ticket.arrived_at + limit <= self.now
            assert not is_late, f"a request has waited in the queue for {self.now - ticket.arrived_at} s"
        for ticket in self._begun:
            if isinstance(ticket.error, DeadlineExceeded):
                assert ticket.error.limit_name != "queue_timeout_s", f"it had begun, but {ticket.error!r}"

    def _hear_pass(self, batch: Batch) -> None:
        """A forward pass is about to be made."""
        running, knobs = self.core.scheduler.running, self.knobs
        self._begun |= {row.ticket for row in running if row.ticket.terms.queue_timeout_s is not None}
        if self._harness.model.failures:
            fault = self._harness.model.failures[0]
            assert isinstance(fault, InjectedFault)
            fault.seeds = frozenset(row.branch.seed for row in running)
        # A tree of choices is computed whole: alone, if there is no other way.
        if len(running) > knobs.max_running_rows or (batch.num_rows > 1 and batch.num_tokens > knobs.token_budget):
            self._excess = f"{batch.num_tokens} tokens of {batch.num_rows} rows in a pass, {len(running)} rows running"

    def _check_waiting(self) -> None:
        """A step computes a token at least, and what is computed again after a preemption is not much of it."""
        bound = 200 + 2 * self._work
        num_steps = self._num_busy_steps
        assert num_steps <= bound, f"{num_steps} steps for {self._work} tokens of work, at most {bound}"

    def _check_answered(self) -> None:
        for limb in self.limbs:
            assert not limb.is_busy, f"a request of branch {limb.branch_id} got no answer"
        for number, plan in enumerate(self.plans):
            assert plan.is_done, f"of plan {number} only branches {sorted(plan.ended)} have ended"

    # --- parts

    def _note(self, what: str, *details: object) -> None:
        if self._listener is not None:
            self._listener(what, " ".join(map(str, details)))

    def _next_seed(self) -> int:
        self._num_seeds += 1
        return 1000 + self._num_seeds  # the seeds that generations bring along are smaller

    @staticmethod
    def _work_of(naive: NaiveBranch, operation: Operation) -> int:
        num_tokens = len(naive.branch.token_ids) + 8
        match operation:
            case Gen(params=params):
                return (num_tokens + params.max_new_tokens) * params.n
            case Select(choices=choices):
                return 2 * num_tokens + sum(map(len, choices))
            case _:
                return num_tokens

"""An EngineCore on the hash model, and the oracle that says what it must answer."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from hash_model import LAYOUT, HashModel, naive_logits

import palmette
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.errors import GrammarError
from palmette.grammar.vocabulary import Vocabulary
from palmette.lang.events import BranchEnded, Event, GenResult, TextDelta, ValueReady
from palmette.lang.ir import Gen, Operation, Tokens
from palmette.lang.plan import Plan, Ref
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.cache.eviction_policy import EvictionPolicyName
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.config import DEFAULT_ROLLBACK_BUDGET, PolicyName, RollbackBudget, SchedulerOptions
from palmette.runtime.engine import EngineCore
from palmette.runtime.memory import Memory
from palmette.runtime.model_runner import ModelRunner
from palmette.runtime.operations.starter import Starter, TextLimits
from palmette.runtime.plans.plan_check import check_plan
from palmette.runtime.plans.plan_request import BranchOpened, PlanItem, PlanRequest
from palmette.runtime.plans.program import Program
from palmette.runtime.request import Ended, Request
from palmette.runtime.sampler import SampledToken, Sampler, SampleRow
from palmette.runtime.speculation.drafter import Drafter
from palmette.runtime.speculation.speculator import Speculator
from palmette.runtime.speculation.step_cost import StepCost
from palmette.runtime.text.chat_template import ChatTemplate
from palmette.runtime.text.tokenizer import Tokenizer

SPRIG = Path(palmette.__file__).parent / "runtime" / "models" / "sprig"
TOKENIZER = Tokenizer.from_folder(SPRIG)
TEMPLATE = ChatTemplate.from_folder(SPRIG)
VOCAB_SIZE = TOKENIZER.vocab_size
COMPILER = GrammarCompiler(Vocabulary(TOKENIZER.token_bytes, frozenset(TOKENIZER.eos_token_ids)))

FREE_GUESSES = StepCost((1, 10_000), (1.0, 1.0))
"""A pass takes as long with guesses as without: whatever may be right is checked."""


class Harness:
    """One engine on virtual time: whoever holds it decides when it steps."""

    def __init__(
        self,
        *,
        num_pages: int = 512,
        page_size: int = 4,
        token_budget: int = 64,
        max_running_rows: int = 64,
        policy: PolicyName = "lpm",
        is_caching: bool = True,
        context_len: int = 1024,
        clock: Callable[[], float] = time.perf_counter,
        tokenizer: Tokenizer = TOKENIZER,
        compiler: GrammarCompiler = COMPILER,
        sampler: Sampler | None = None,
        eviction_policy: EvictionPolicyName = "lru",
        options: SchedulerOptions | None = None,
        num_mask_threads: int = 0,
        rollback_budget: RollbackBudget = DEFAULT_ROLLBACK_BUDGET,
        is_output_validated: bool = False,
        make_drafters: Callable[[RadixCache], Sequence[Drafter]] | None = None,
        step_cost: StepCost = FREE_GUESSES,
        overlaps: bool = False,
    ) -> None:
        """`options` take the place of `token_budget`, `max_running_rows` and `policy`; `make_drafters`: who guesses."""
        options = options or SchedulerOptions(token_budget, max_running_rows, policy)
        vocab_size = tokenizer.vocab_size
        self.model = HashModel(vocab_size)
        self.pool = KVPool(LAYOUT, num_pages, page_size)
        cache = RadixCache(self.pool, eviction_policy=eviction_policy)
        self.memory = Memory(self.pool, cache, is_caching=is_caching)
        limits = TextLimits(context_len, num_pages * page_size, options.token_budget)
        self.core = EngineCore(
            Starter(
                tokenizer,
                tokenizer.eos_token_ids,
                vocab_size,
                compiler,
                TEMPLATE,
                limits,
                rollback_budget,
                is_output_validated=is_output_validated,
            ),
            ModelRunner(self.model, self.pool),
            sampler or Sampler(vocab_size),
            self.memory,
            options,
            lambda: 7,
            clock,
            num_mask_threads,
            None if make_drafters is None else Speculator(make_drafters(cache), step_cost, clock=lambda: 0.0),
            overlaps=overlaps,
        )

    def submit(self, branch_id: int, operations: Sequence[Operation]) -> "Listening":
        """Submit and listen."""
        listening = Listening()
        listening.request = Request(branch_id, tuple(operations), listening)
        self.core.submit(listening.request)
        return listening

    def run(self, *, max_steps: int = 10_000) -> None:
        """Step until there is nothing to do, with every count checked after each step."""
        for _ in range(max_steps):
            has_more = self.core.step()
            self.core.check_integrity()
            if not has_more:
                return
        raise AssertionError(f"the engine still had work to do after {max_steps} steps")

    def start_plan(
        self,
        plan: Plan,
        roots: Mapping[int, int] | None = None,
        *,
        seed: int = 7,
        is_streaming: bool = False,
        refused: Mapping[Ref, GrammarError] | None = None,
    ) -> "PlanListening":
        """Check, begin, and listen."""
        check_plan(plan, roots or {})
        listening = PlanListening(plan)
        request = PlanRequest(plan, roots or {}, listening, seed, "", is_streaming, refused or {})
        listening.program = self.core.start_plan(request)
        return listening

    def check_all_returned(self) -> None:
        """With no branch alive and the cache flushed, every page is free."""
        assert not list(self.core.branches.all()), "branches are left"
        self.core.flush_cache()
        self.core.check_integrity()
        assert self.pool.num_free_pages == self.pool.num_pages

    def answer(self, operations: Sequence[Operation], *, seed: int = 7, namespace: str = "") -> "Listening":
        """Run operations on a branch of their own, and close it."""
        branch_id = self.core.open_branch(seed, namespace)
        listening = self.submit(branch_id, operations)
        self.run()
        self.core.close_branch(branch_id)
        return listening


class PlanListening:
    """What a plan's listener heard, by branch."""

    program: Program

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.branch_ids: dict[int, int] = {}
        self.events: dict[int, list[Event]] = {index: [] for index in range(len(plan.branches))}
        self.ended: dict[int, BranchEnded] = {}
        self.batches: list[list[PlanItem]] = []

    def __call__(self, items: list[PlanItem]) -> None:
        assert items, "called for nothing"
        self.batches.append(items)
        for index, item in items:
            assert index not in self.ended, f"{item} came after the end of branch {index}"
            if isinstance(item, BranchOpened):
                assert not self.events[index], "a branch opens before anything happens on it"
                assert index not in self.branch_ids, f"branch {index} was opened twice"
                self.branch_ids[index] = item.branch_id
            elif isinstance(item, BranchEnded):
                self.ended[index] = item
            else:
                self.events[index].append(item)

    @property
    def is_done(self) -> bool:
        return len(self.ended) == len(self.plan.branches)

    @property
    def errors(self) -> dict[int, BaseException]:
        """By the branches that failed."""
        assert self.is_done, f"only {sorted(self.ended)} of {len(self.plan.branches)} branches have ended"
        return {index: ended.error for index, ended in self.ended.items() if ended.error is not None}

    def text(self, index: int) -> str:
        """All text that a branch gained."""
        return "".join(event.text for event in self.events[index] if isinstance(event, TextDelta))

    def values(self) -> dict[Ref, ValueReady]:
        """Every value by its place."""
        return {
            Ref(index, event.operation_index): event
            for index, events in self.events.items()
            for event in events
            if isinstance(event, ValueReady)
        }

    def token_ids(self, branch: int, step: int) -> tuple[int, ...]:
        """The tokens of the only sample of a generation."""
        result = self.values()[Ref(branch, step)].result
        assert isinstance(result, tuple)
        (sample,) = result
        return sample.token_ids


class Listening:
    """What a request's listener heard."""

    request: Request

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ended: Ended | None = None

    def __call__(self, item: Event | Ended) -> None:
        assert self.ended is None, f"{item} came after the end"
        if isinstance(item, Ended):
            self.ended = item
        else:
            self.events.append(item)

    @property
    def error(self) -> BaseException | None:
        assert self.ended is not None, "the request got no answer"
        return self.ended.error

    def samples(self, name: str = "x") -> tuple[GenResult, ...]:
        """The results of the generation `name`."""
        assert self.error is None, self.error
        (value,) = (event for event in self.events if isinstance(event, ValueReady) and event.name == name)
        assert isinstance(value.result, tuple)
        return value.result

    def token_ids(self, name: str = "x") -> tuple[int, ...]:
        """The tokens of the only sample of `name`."""
        (sample,) = self.samples(name)
        return sample.token_ids

    @property
    def text(self) -> str:
        """All text the branch gained."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))


def gen(max_new_tokens: int = 8, *, name: str = "x", **fields: object) -> Gen:
    """A generation that only its length ends, unless told otherwise."""
    given = {"temperature": 0.0, "ignore_eos": True, **fields}
    return Gen(name, SamplingParams(max_new_tokens=max_new_tokens, **given))  # type: ignore[arg-type] # any field


def oracle(prompt: Sequence[int], params: SamplingParams, *, seed: int = 7, path: int = 0) -> tuple[int, ...]:
    """What a generation must write: every prefix computed from scratch, no cache, no batch, no chunk."""
    token_ids, sampler = list(prompt), Sampler(VOCAB_SIZE)
    counts: dict[int, int] = {}
    for _ in range(params.max_new_tokens):
        row = SampleRow(
            params=params,
            seed=seed if params.seed is None else params.seed,
            path=path,
            position=len(token_ids),
            output_counts=counts,
            seen_token_ids=set(token_ids),
        )
        (sampled,) = sampler.sample(torch.from_numpy(naive_logits(token_ids, VOCAB_SIZE))[None], [row])
        assert isinstance(sampled, SampledToken), sampled
        token_ids.append(sampled.token_id)
        counts[sampled.token_id] = counts.get(sampled.token_id, 0) + 1
    return tuple(token_ids[len(prompt) :])


def tokens(*token_ids: int) -> Tokens:
    """Token ids as an operation."""
    return Tokens(token_ids)

"""EngineClient: the language's port over an engine in a process of its own, and what else a server asks of one."""

import asyncio
from collections.abc import Iterable, Mapping

from ....grammar.errors import GrammarError
from ....grammar.spec import Constraint
from ....lang.backend import Branch
from ....lang.plan import Plan
from ....lang.terms import DEFAULT_TERMS, Terms
from ...cache.tree_snapshot import TreeSnapshot
from ...config import EngineConfig
from ...errors import EngineClosed, InvalidRequest
from ...plans.plan_check import check_plan
from .calls import BufferLimits, Calls
from .engine_child import ENGINE_MODULE
from .error_record import error_of
from .messages import (
    AskEnforcement,
    AskStats,
    AskTree,
    BranchesOpened,
    Compile,
    Compiled,
    Done,
    Enforcement,
    EngineFacts,
    FlushCache,
    OpenBranch,
    RunPlan,
    Stats,
    Tree,
)
from .remote_branch import RemoteBranch, closing
from .remote_plan_run import RemotePlanRun
from .supervisor import EngineHealth, SupervisionOptions, Supervisor

_DEFAULT_SUPERVISION = SupervisionOptions()
_DEFAULT_LIMITS = BufferLimits()


class EngineClient:
    """See `lang.backend.PlanBackend`. Computes nothing, and imports nothing that could.

        client = EngineClient(EngineConfig.from_options("path/to/model"))
        await client.start()
        ...
        await client.drain(30.0)

    Belongs to the event loop it is started on. Whenever the process ends or hangs it is started again, and what was in
    it fails with `EngineRestarted`, as does what comes before it is up; a branch does not outlive the process.
    """

    def __init__(
        self,
        config: EngineConfig,
        supervision: SupervisionOptions = _DEFAULT_SUPERVISION,
        limits: BufferLimits = _DEFAULT_LIMITS,
        module: str = ENGINE_MODULE,
    ) -> None:
        """`module`: what runs in the process; see `EngineChild`."""
        self._supervisor = Supervisor(config, supervision, limits, module)
        self._supervisor.on_up = self._hear_of_start
        self._is_draining = False
        self._idle = asyncio.Event()

    async def start(self) -> EngineFacts:
        """Start the process and wait until its model is loaded.

        Raises: ModelLoadError, InvalidOption, EngineNotStarted.
        """
        return await self._supervisor.start()

    @property
    def facts(self) -> EngineFacts:
        """What is known of the engine; there once it has been started."""
        facts = self._supervisor.facts
        if facts is None:
            raise EngineClosed("the engine has not been started; await start() first")
        return facts

    @property
    def num_restarts(self) -> int:
        """How often the process has been started again, or tried to be."""
        return self._supervisor.num_restarts

    def health(self) -> EngineHealth:
        """Whether requests are answered now; asks nobody."""
        return self._supervisor.health()

    # --- the language's port

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> RemoteBranch:
        """See `Backend`. Where the caller is cancelled meanwhile, the branch is closed."""
        calls = self._calls_for_new_work()
        answer = await calls.ask(OpenBranch(seed, cache_salt, terms), BranchesOpened, closing(calls))
        (branch_id,) = answer.branch_ids
        return RemoteBranch(branch_id, calls)

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool = False,
    ) -> RemotePlanRun:
        """See `PlanBackend`.

        Raises: InvalidRequest for a plan that cannot run to its end, EngineClosed.
        """
        check_plan(plan, roots)
        # A plan that goes on with branches which are open is part of what is to end before a drain is over.
        calls = self._supervisor.calls if roots else self._calls_for_new_work()
        ids = {index: branch.branch_id for index, branch in roots.items()}
        return RemotePlanRun(RunPlan(plan, ids, seed, cache_salt, terms, is_streaming), roots, calls)

    async def aflush_cache(self) -> None:
        """See `Backend`."""
        await self._supervisor.calls.ask(FlushCache(), Done)

    async def aclose(self) -> None:
        """End the process; what is open fails with EngineClosed. A second call does nothing."""
        self._is_draining = True
        await self._supervisor.close()

    async def drain(self, drain_s: float) -> None:
        """Let nothing new in, wait at most `drain_s` for all branches and plans to end, then `aclose`."""
        self._is_draining = True
        try:
            if not self._supervisor.calls.is_idle:
                self._idle.clear()
                await asyncio.wait_for(self._idle.wait(), drain_s)
        except (TimeoutError, EngineClosed):
            pass  # what is still open is told by the end
        await self.aclose()

    # --- what else a server asks

    async def stats(self) -> dict[str, int | float]:
        """The engine's counters, see `EngineCore.stats`, and those of its process."""
        calls = self._supervisor.calls
        counters = (await calls.ask(AskStats(), Stats)).counters
        return {
            **counters,
            "num_engine_restarts": self.num_restarts,
            "num_waiting_event_bytes": calls.num_waiting_bytes,
        }

    async def compile(self, constraints: Iterable[Constraint]) -> dict[Constraint, GrammarError]:
        """Compile constraints, which the engine then has at hand; returns those that do not compile, and why."""
        distinct = tuple(dict.fromkeys(constraints))
        answer = await self._supervisor.calls.ask(Compile(distinct), Compiled)
        refused: dict[Constraint, GrammarError] = {}
        for index, record in answer.refused.items():
            error = error_of(record)
            refused[distinct[index]] = error if isinstance(error, GrammarError) else GrammarError(str(error))
        return refused

    async def check_constraint(self, constraint: Constraint) -> None:
        """Make sure, before anything is submitted, that a constraint can be enforced. Raises: GrammarError."""
        for error in (await self.compile([constraint])).values():
            raise error

    async def enforced_by(self, constraint: Constraint) -> str:
        """Which engine enforces a constraint, and why; or why it is refused."""
        try:
            answer = await self._supervisor.calls.ask(AskEnforcement(constraint), Enforcement)
        except GrammarError as error:
            return f"refused: {error}"
        return f"{answer.engine}, {answer.reason}"

    async def tree(self, max_nodes: int = 500, num_preview_tokens: int = 24) -> TreeSnapshot:
        """The radix tree as it is now, at most `max_nodes` of its nodes."""
        for name, value in (("max_nodes", max_nodes), ("num_preview_tokens", num_preview_tokens)):
            if value < 1:
                raise InvalidRequest(f"{name}: expected an integer >= 1, got {value}")
        return (await self._supervisor.calls.ask(AskTree(max_nodes, num_preview_tokens), Tree)).tree

    # --- inside

    def _calls_for_new_work(self) -> Calls:
        if self._is_draining:
            raise EngineClosed("the engine is being shut down and takes no new requests; ask another")
        return self._supervisor.calls

    def _hear_of_start(self, calls: Calls) -> None:
        calls.on_idle = self._idle.set

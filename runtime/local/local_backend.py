"""LocalBackend: the language's port over an engine in this process."""

import asyncio
from collections.abc import Mapping

from ...grammar.compiler import GrammarCompiler
from ...lang.backend import Branch
from ...lang.plan import Plan
from ...lang.terms import DEFAULT_TERMS, Terms
from ..engine import EngineCore
from ..engine_thread import EngineThread
from ..plans.plan_check import check_plan
from ..ticket import Ticket
from .delivery import PAUSE_S
from .engine_link import EngineLink
from .local_branch import LocalBranch, close_all
from .local_plan_run import LocalPlanRun


class LocalBackend:
    """Opens branches and runs plans on an engine thread; see `lang.backend.PlanBackend`."""

    def __init__(self, thread: EngineThread, compiler: GrammarCompiler, text_pause_s: float = PAUSE_S) -> None:
        """`text_pause_s`: text is handed over at most this often, in seconds; the first of a generation at once."""
        self._thread = thread
        self._link = EngineLink(thread, compiler, text_pause_s)

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> LocalBranch:
        """See `Backend`."""
        opening = asyncio.ensure_future(self._open(seed, cache_salt, terms))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(close_all)
            raise

    async def _open(self, seed: int | None, cache_salt: str, terms: Terms) -> LocalBranch:
        def open_branch(core: EngineCore) -> tuple[int, Ticket]:
            return core.open_branch(seed, cache_salt), core.branches.issue_ticket(terms)

        branch_id, ticket = await asyncio.wrap_future(self._thread.ask(open_branch))
        return LocalBranch(branch_id, self._link, ticket)

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool = False,
    ) -> LocalPlanRun:
        """See `PlanBackend`; to be called where an event loop runs.

        Raises: InvalidRequest for a plan that cannot run to its end, EngineClosed.
        """
        check_plan(plan, roots)
        return LocalPlanRun(
            plan, roots, self._link, seed=seed, cache_salt=cache_salt, terms=terms, is_streaming=is_streaming
        )

    async def aflush_cache(self) -> None:
        """See `Backend`."""
        await asyncio.wrap_future(self._thread.ask(lambda core: core.flush_cache()))

    async def aclose(self) -> None:
        """End the engine's thread; waits for the step that runs, also while the interpreter goes down."""
        self._thread.close()

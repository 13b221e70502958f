"""LocalBackend: the language's port over an engine in this process."""

import asyncio
from collections.abc import Mapping

from ..grammar.compiler import GrammarCompiler
from ..lang.backend import Branch
from ..lang.plan import Plan
from .engine_link import EngineLink
from .engine_thread import EngineThread
from .local_branch import LocalBranch, close_all
from .local_plan_run import LocalPlanRun
from .plan_check import check_plan
from .ticket import DEFAULT_TERMS, Terms


class LocalBackend:
    """Opens branches and runs plans on an engine thread; see `lang.backend.PlanBackend`."""

    def __init__(self, thread: EngineThread, compiler: GrammarCompiler) -> None:
        self._thread = thread
        self._link = EngineLink(thread, compiler)

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> LocalBranch:
        """See `Backend`. `terms`: of each request on this branch and on those forked from it."""
        opening = asyncio.ensure_future(self._open(seed, cache_salt, terms))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(close_all)
            raise

    async def _open(self, seed: int | None, cache_salt: str, terms: Terms) -> LocalBranch:
        branch_id = await asyncio.wrap_future(self._thread.ask(lambda core: core.open_branch(seed, cache_salt)))
        return LocalBranch(branch_id, self._link, terms)

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        is_streaming: bool = False,
        terms: Terms = DEFAULT_TERMS,
    ) -> LocalPlanRun:
        """See `PlanBackend`; to be called where an event loop runs. `terms`: of the plan as a whole.

        Raises: InvalidRequest for a plan that cannot run to its end, EngineClosed.
        """
        check_plan(plan, roots)
        return LocalPlanRun(
            plan, roots, self._link, seed=seed, cache_salt=cache_salt, is_streaming=is_streaming, terms=terms
        )

    async def aflush_cache(self) -> None:
        """See `Backend`."""
        await asyncio.wrap_future(self._thread.ask(lambda core: core.flush_cache()))

    async def aclose(self) -> None:
        """End the engine's thread; waits for the step that runs, also while the interpreter goes down."""
        self._thread.close()

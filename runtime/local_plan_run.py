"""LocalPlanRun: a plan at work on an engine in this process, seen from an event loop."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Future
from functools import partial

from ..grammar.errors import GrammarError
from ..lang.backend import Branch
from ..lang.events import BranchEnded, Event, TextDelta
from ..lang.ir import Gen
from ..lang.plan import Plan, Ref
from ..lang.terms import Terms
from .engine import EngineCore
from .engine_link import EngineLink
from .local_branch import LocalBranch
from .plan_request import BranchOpened, PlanItem, PlanRequest
from .program import Program
from .ticket import Ticket


class LocalPlanRun:
    """See `lang.backend.PlanRun`. The whole plan is one message to the engine's thread.

    Where constraints are not compiled yet, they are compiled on another thread before that.
    """

    def __init__(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        link: EngineLink,
        *,
        seed: int | None,
        cache_salt: str,
        terms: Terms,
        is_streaming: bool,
    ) -> None:
        """`plan` has been checked."""
        self._plan = plan
        self._roots = {index: branch.branch_id for index, branch in roots.items()}
        self._branches = dict(roots)
        self._link = link
        self._seed = seed
        self._cache_salt = cache_salt
        self._is_streaming = is_streaming
        self._terms = terms
        tickets = [branch.ticket for branch in roots.values() if isinstance(branch, LocalBranch)]
        self._ticket: Ticket | None = min(tickets, key=lambda ticket: ticket.arrival, default=None)
        self._delivery = link.delivery()
        self._arrived: asyncio.Queue[list[PlanItem]] = asyncio.Queue()
        self._num_open = len(plan.branches)
        self._program: Future[Program] | None = None
        self._compiling: asyncio.Task[None] | None = None
        self._constraints = {
            place: operation.constraint
            for place, operation in plan.values()
            if isinstance(operation, Gen) and operation.constraint is not None
        }
        grammars = link.compiled(self._constraints.values())
        self._grammars = grammars or []
        if grammars is not None:
            self._start({})
        else:
            self._compiling = asyncio.get_running_loop().create_task(self._compile_and_start())

    @property
    def branches(self) -> Mapping[int, Branch]:
        """See `PlanRun`."""
        return self._branches

    async def events(self) -> AsyncGenerator[tuple[int, Event | BranchEnded], None]:
        """See `PlanRun`. Leaving early closes the branches that the plan opened, too."""
        try:
            while self._num_open:
                for index, item in await self._arrived.get():
                    if isinstance(item, BranchOpened):
                        assert self._ticket is not None, "a plan has its ticket before it opens a branch"
                        self._branches[index] = LocalBranch(item.branch_id, self._link, self._ticket)
                        continue
                    self._num_open -= isinstance(item, BranchEnded)
                    yield index, item
        finally:
            if self._num_open:
                self._cancel()

    # --- inside

    async def _compile_and_start(self) -> None:
        try:
            self._link.thread.ask(self._take_ticket)  # it arrives now, and its time runs
            readied = await self._link.compile(self._constraints.values())
            self._grammars, refused = readied.grammars, readied.refused
            self._start({place: refused[each] for place, each in self._constraints.items() if each in refused})
        except Exception as error:  # noqa: BLE001 - whoever reads the events is told
            self._fail(error)

    def _start(self, refused: Mapping[Ref, GrammarError]) -> None:
        self._program = self._link.thread.ask(partial(self._start_on, refused=refused))
        self._program.add_done_callback(self._hear_start)

    def _start_on(self, core: EngineCore, refused: Mapping[Ref, GrammarError]) -> Program:
        """Called on the engine's thread."""
        return core.start_plan(
            PlanRequest(
                self._plan,
                self._roots,
                self._hear,
                self._seed,
                self._cache_salt,
                self._is_streaming,
                refused,
                ticket=self._take_ticket(core),
            )
        )

    def _take_ticket(self, core: EngineCore) -> Ticket:
        """Called on the engine's thread."""
        if self._ticket is None:
            self._ticket = core.branches.issue_ticket(self._terms)
        return self._ticket

    def _hear(self, items: list[PlanItem]) -> None:
        """Called on the engine's thread."""
        self._delivery.put(self._arrived, items, is_text=all(isinstance(item, TextDelta) for _, item in items))

    def _hear_start(self, program: "Future[Program]") -> None:
        error = program.exception()
        if error is not None:
            self._hear([(index, BranchEnded(error)) for index in range(len(self._plan.branches))])

    def _fail(self, error: Exception) -> None:
        self._arrived.put_nowait([(index, BranchEnded(error)) for index in range(len(self._plan.branches))])

    def _cancel(self) -> None:
        if self._compiling is not None:
            self._compiling.cancel()
        program = self._program
        if program is not None and not self._link.thread.is_closed:
            self._link.thread.tell(partial(_cancel_plan, program))


def _cancel_plan(program: "Future[Program]", core: EngineCore) -> None:
    """The start of the plan came before this in the engine's inbox."""
    if program.exception() is None:
        core.cancel_plan(program.result())

"""LocalPlanRun: a plan at work on an engine in this process, seen from an event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from ...grammar.errors import GrammarError
from ...lang.backend import Branch
from ...lang.events import BranchEnded, Event, TextDelta
from ...lang.ir import Gen
from ...lang.plan import Plan, Ref
from ...lang.terms import Terms
from ..engine import EngineCore
from ..plans.joined_text import Told, in_pieces
from ..plans.plan_request import BranchOpened, PlanItem, PlanRequest
from ..plans.program import Program
from ..ticket import Ticket
from .engine_link import EngineLink
from .local_branch import LocalBranch


class LocalPlanRun:
    """See `lang.backend.PlanRun`. The whole plan is one message to the engine's thread.

    Where constraints and stop regexes are not compiled yet, they are compiled on another thread before that.
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
        self._arrived = _PlanMailbox()
        self._begun: set[tuple[int, int]] = set()
        """Generations, by (branch, operation), of which text has come; of the engine's thread."""
        self._num_open = len(plan.branches)
        self._program: Future[Program] | None = None
        self._compiling: asyncio.Task[None] | None = None
        self._constraints = {
            place: operation.constraint
            for place, operation in plan.values()
            if isinstance(operation, Gen) and operation.constraint is not None
        }
        self._stops = [
            pattern
            for _, operation in plan.values()
            if isinstance(operation, Gen)
            for pattern in operation.params.stop_regex
        ]
        grammars = link.compiled(self._constraints.values())
        self._grammars = grammars or []
        if grammars is not None and not link.unwatched(self._stops):
            self._start({})
        else:
            self._compiling = asyncio.get_running_loop().create_task(self._compile_and_start())

    @property
    def branches(self) -> Mapping[int, Branch]:
        """See `PlanRun`."""
        return self._branches

    async def events(self) -> AsyncGenerator[Told, None]:
        """See `PlanRun`. Leaving early closes the branches that the plan opened, too."""
        try:
            while self._num_open:
                for told in self._take_in(await self._arrived.get()):
                    self._num_open -= isinstance(told[1], BranchEnded)
                    yield told
        finally:
            if self._num_open:
                self._cancel()

    async def deliver(self, receive: Callable[[Sequence[Told]], None]) -> None:
        """`events`, brought to `receive` without a turn of the loop for each, until the plan has ended.

        What comes in one turn of the loop is brought together, the text of a generation in one piece. What `receive`
        raises ends the plan and is raised. To be cancelled is to leave early.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        news: list[PlanItem] = []

        def hand_over() -> None:
            items = news.copy()
            news.clear()
            if ended.done():
                return
            try:
                told = in_pieces(self._take_in(items))
                receive(told)
                self._num_open -= sum(isinstance(item, BranchEnded) for _, item in told)
            except Exception as error:  # noqa: BLE001 - raised below
                ended.set_exception(error)
                return
            if not self._num_open:
                ended.set_result(None)

        def take(items: list[PlanItem]) -> None:
            if not news:
                loop.call_soon(hand_over)
            news.extend(items)

        try:
            self._arrived.forward(take)
            await ended
        finally:
            if self._num_open:
                self._cancel()

    # --- inside

    def _take_in(self, items: Sequence[PlanItem]) -> list[Told]:
        """What of the items is for the reader; branches that have been opened are noted."""
        told: list[Told] = []
        for index, item in items:
            if isinstance(item, BranchOpened):
                assert self._ticket is not None, "a plan has its ticket before it opens a branch"
                self._branches[index] = LocalBranch(item.branch_id, self._link, self._ticket)
            else:
                told.append((index, item))
        return told

    async def _compile_and_start(self) -> None:
        try:
            self._link.thread.ask(self._take_ticket)  # it arrives now, and its time runs
            await self._link.watch_for(self._stops)
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
        can_wait = True
        for index, item in items:  # all of them, as each may begin a generation
            can_wait &= self._can_wait(index, item)
        self._delivery.put(self._arrived, items, is_text=can_wait)

    def _can_wait(self, index: int, item: Event | BranchOpened | BranchEnded) -> bool:
        """Whether it is text, other than the first of a generation, which somebody waits for."""
        if not isinstance(item, TextDelta):
            return False
        place = index, item.operation_index
        if item.name is None or place in self._begun:
            return True
        self._begun.add(place)
        return False

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


class _PlanMailbox:
    """Where a delivery leaves what comes of a plan: a queue, until it is forwarded."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[list[PlanItem]] = asyncio.Queue()
        self._take: Callable[[list[PlanItem]], None] = self._queue.put_nowait

    def put_nowait(self, items: list[PlanItem]) -> None:
        """Called on the event loop."""
        self._take(items)

    async def get(self) -> list[PlanItem]:
        """The next items."""
        return await self._queue.get()

    def forward(self, take: Callable[[list[PlanItem]], None]) -> None:
        """From now on `take` gets the items, first those that are here."""
        while not self._queue.empty():
            take(self._queue.get_nowait())
        self._take = take


def _cancel_plan(program: "Future[Program]", core: EngineCore) -> None:
    """The start of the plan came before this in the engine's inbox."""
    if program.exception() is None:
        core.cancel_plan(program.result())

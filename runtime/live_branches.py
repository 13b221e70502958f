"""LiveBranches: the branches that exist, and how each goes through its operations."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from ..grammar.open_seam import OpenSeam
from ..lang.events import Closing, Event, Forked, GenResult, ScoreResult, SelectResult, TextDelta, ValueReady
from ..lang.ir import DeclareTools, Fork, Gen, Join, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from ..lang.terms import Terms
from .branch import Branch, TextPiece
from .errors import BranchClosed, InvalidRequest, RequestCancelled
from .live_branch import ActiveOperation, LiveBranch
from .memory import Memory
from .operations.emitted import Emitted
from .operations.fork import ForkTask
from .operations.join import append_child
from .operations.select import SelectTask, decide
from .operations.starter import Starter
from .operations.task import Task
from .request import Ended, QueuedOperation, Request
from .row import Row
from .scheduling.deadlines import Deadlines
from .scheduling.scheduler import Scheduler
from .ticket import Ticket


class LiveBranches:
    """Takes each branch through its operations: starts them, makes rows of what needs the model, ends them.

    An operation is done at once, or becomes rows of the scheduler; when its rows have ended, the next one of its
    branch starts. Whatever fails ends the requests of its branch, and no other. What happens is put into the
    outbox, in order.
    """

    def __init__(
        self,
        starter: Starter,
        memory: Memory,
        scheduler: Scheduler,
        draw_seed: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._starter = starter
        self._memory = memory
        self._scheduler = scheduler
        self._draw_seed = draw_seed
        self._live: dict[int, LiveBranch] = {}
        self._helpers: list[LiveBranch] = []
        self._abandoned: list[LiveBranch] = []
        self._owners: dict[Row, LiveBranch] = {}
        self._deadlines = Deadlines()
        self._num_branches = 0
        self._num_requests = 0
        self._num_rows = 0
        self.num_expired = 0
        self.outbox: deque[tuple[Request, Event | Ended]] = deque()
        """What the requests' listeners are to hear."""

    @property
    def rows(self) -> Iterable[Row]:
        """All rows with work to do."""
        return self._owners.keys()

    @property
    def num_open(self) -> int:
        """Branches that have been opened or forked and not closed."""
        return len(self._live)

    def all(self) -> Iterator[Branch]:
        """Every branch that may hold pages, those opened first first."""
        for live in self._live.values():
            yield live.branch
        for helper in self._helpers:
            yield helper.branch

    def idle(self) -> list[Branch]:
        """Branches without work."""
        return [live.branch for live in self._live.values() if live.active is None]

    # --- asked from outside

    def open(self, seed: int | None, namespace: str) -> int:
        """A new, empty branch; returns its id."""
        branch = Branch(self._num_branches, namespace, self._draw_seed() if seed is None else seed)
        return self._add(branch).branch.branch_id

    def issue_ticket(self, terms: Terms) -> Ticket:
        """The place of what arrives now among the requests."""
        self._num_requests += 1
        ticket = Ticket(self._num_requests, self._clock(), terms)
        self._deadlines.add(ticket)
        return ticket

    def submit(self, request: Request) -> None:
        """Queue the operations of a request on its branch. Its listener gets exactly one `Ended`, sooner or later."""
        live = self._live.get(request.branch_id)
        if live is None or live.is_dead:
            error = BranchClosed(f"branch {request.branch_id} has ended, it takes no more operations; open another")
            self.outbox.append((request, Ended(error)))
        elif not request.operations:
            self.outbox.append((request, Ended()))
        elif request.ticket is not None and request.ticket.error is not None:
            self.outbox.append((request, Ended(request.ticket.error, request.first_index)))
        else:
            ticket = self.issue_ticket(request.terms) if request.ticket is None else request.ticket
            live.branch.held_until = None
            live.branch.priority = ticket.terms.priority
            live.queue.extend(
                QueuedOperation(operation, index, request, ticket)
                for index, operation in enumerate(request.operations, request.first_index)
            )
            self._advance(live)

    def cancel(self, request: Request) -> None:
        """Stop a request at once; one that has ended already is left alone. Its branch takes no more operations."""
        live = self._live.get(request.branch_id)
        if live is None or live.is_dead:
            return
        queued = [live.active.queued] if live.active is not None else []
        if any(each.request is request for each in [*queued, *live.queue]):
            self._end_branch(live, RequestCancelled("the request was cancelled before it ended"), None)

    def close(self, branch_id: int) -> None:
        """End a branch: what it still has to do is cancelled, what it computed stays in the cache."""
        live = self._live.pop(branch_id, None)
        if live is not None:
            self._end_branch(live, RequestCancelled("the branch was closed before the request ended"), None)

    def abandon(self, make_error: Callable[[], Exception]) -> None:
        """Answer every open request with an error of its own; touches neither memory nor scheduler."""
        # Whoever hears of it may close the branch; what that holds is still to be taken back then.
        self._abandoned = list(self._live.values())
        for live in self._abandoned:
            if not live.is_dead:
                live.is_dead = True
                self._answer_all(live, make_error, None)

    def forget_all(self) -> None:
        """Take all memory back, once every request has been answered."""
        for live in self._abandoned:
            self._stop(live)
        self._abandoned.clear()
        self._live.clear()

    def hold(self, branch_id: int, seconds: float) -> None:
        """Keep the pages of a branch without work for that long, unless nothing else is left to take."""
        live = self._live.get(branch_id)
        if live is not None and live.active is None:
            live.branch.held_until = self._clock() + seconds

    # --- asked by the loop

    def expire(self) -> None:
        """End what has run out of time."""
        late = set(self._deadlines.pass_to(self._clock()))
        if not late:
            return
        ended: set[Ticket] = set()
        for live in list(self._live.values()):
            at_work = [live.active.queued] if live.active is not None else []
            queued = next((each for each in [*at_work, *live.queue] if each.ticket in late), None)
            if queued is not None and queued.ticket.error is not None:
                ended.add(queued.ticket)
                self._end_branch(live, queued.ticket.error, queued)
        self.num_expired += len(ended)

    def retire(self) -> int:
        """End the rows whose task is done, and let their branches go on; returns how many."""
        done = [row for row in self._scheduler.running if row.task.is_done]
        for row in done:
            live = self._owners.pop(row)
            self._scheduler.remove(row)
            self._memory.trim(row.branch)
            self._memory.publish(row.branch)
            active = live.active
            assert active is not None, row.branch.branch_id
            active.rows.remove(row)
            if not active.rows:
                self._advance(live)
        return len(done)

    def fail(self, row: Row, error: Exception) -> None:
        """End the branch of a row that failed; a row whose branch has ended already is left alone."""
        live = self._owners.get(row)
        if live is not None:
            self._end_branch(live, error, live.active.queued if live.active is not None else None)

    # --- operations

    def _advance(self, live: LiveBranch) -> None:
        """Go on with the branch's operations until one needs the model."""
        while not live.is_dead:
            active = live.active
            if active is not None:
                if active.rows:
                    return
                live.active = None
                self._guard(live, active.queued, active.on_done)
                for helper in active.helpers:
                    self._drop_helper(helper)
            elif live.queue:
                queued = live.queue.popleft()
                self._guard(live, queued, partial(self._start, live, queued))
            else:
                return

    def _guard(self, live: LiveBranch, queued: QueuedOperation, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - an operation that fails ends its request, which is told why
            self._end_branch(live, error, queued)
        else:
            if live.active is None and queued.is_last:
                closing = self._starter.closing_text(live.branch)
                if closing:
                    self.outbox.append((queued.request, Closing(closing)))
                self.outbox.append((queued.request, Ended()))

    def _start(self, live: LiveBranch, queued: QueuedOperation) -> None:
        branch, operation, index = live.branch, queued.operation, queued.index
        starter = self._starter
        queued.stopwatch.queue(self._clock())
        match operation:
            case Text():
                self._tell(queued, starter.write(branch, operation, index))
            case Tokens():
                self._tell(queued, starter.write_tokens(branch, operation, index))
            case DeclareTools():
                starter.declare_tools(branch, operation)
            case RoleBegin():
                self._tell(queued, starter.begin_role(branch, operation, index))
            case RoleEnd():
                starter.end_role(branch, operation)
            case Join():
                self._join(live, queued, operation)
            case Gen() | Select() | Score() | Fork():
                self._tell(queued, starter.prepare(branch, index))
                self._check_admission(live, queued.ticket)
                self._start_task(live, queued, operation)

    def _check_admission(self, live: LiveBranch, ticket: Ticket) -> None:
        """Refuse what has just arrived where the queue is full; whoever has begun goes on.

        Raises: QueueFull.
        """
        if live.branch.parent_id is None and not live.has_begun and not ticket.is_accepted:
            self._scheduler.admission.check(live.branch.num_pending)
        ticket.is_accepted = True
        live.has_begun = True

    def _start_task(self, live: LiveBranch, queued: QueuedOperation, operation: Gen | Select | Score | Fork) -> None:
        match operation:
            case Gen(params=params) if params.n == 1:
                self._starter.check_gen(live.branch, operation)
                self._gen(live, queued, operation, self._starter.open_seam(live.branch, operation))
            case Gen():
                self._starter.check_gen(live.branch, operation)
                seam = self._starter.open_seam(live.branch, operation)
                self._activate(live, queued, [ForkTask(live.branch)], lambda: self._gen(live, queued, operation, seam))
            case Select():
                self._select(live, queued, operation)
            case Score():
                task, events = self._starter.score(live.branch, operation, queued.index)
                self._tell(queued, events)
                name = operation.name
                self._activate(live, queued, [task], lambda: self._tell_value(queued, name, task.result()))
            case Fork():
                if operation.num_children < 1:
                    raise InvalidRequest(f"fork: expected at least 1 child, got {operation.num_children}")
                self._starter.check_fork(live.branch)
                self._activate(live, queued, [ForkTask(live.branch)], lambda: self._fork(live, queued, operation))

    def _gen(self, live: LiveBranch, queued: QueuedOperation, operation: Gen, seam: OpenSeam | None) -> None:
        name, index, params = operation.name, queued.index, operation.params
        helpers = [self._add_helper(live) for _ in range(params.n - 1)]
        single = msgspec.structs.replace(params, n=1)

        def emit(new: Emitted) -> None:
            live.branch.gain(TextPiece(new.text, False))
            self._tell(queued, [TextDelta(index, new.text, name, new.token_ids, new.logprobs, new.forced)])

        tasks = [self._starter.gen(live.branch, operation, single, emit, seam)]
        tasks += [self._starter.gen(helper.branch, operation, single, _ignore, seam) for helper in helpers]

        def finish() -> None:
            live.branch.seam_start = len(live.branch.token_ids)
            results: tuple[GenResult, ...] = tuple(
                task.result(row.cached_tokens or 0, self._scheduler.speculation_report(row))
                for task, row in zip(tasks, rows, strict=True)
            )
            self._tell_value(queued, name, results)

        rows = self._activate(live, queued, tasks, finish, helpers)

    def _select(self, live: LiveBranch, queued: QueuedOperation, operation: Select) -> None:
        branch, index = live.branch, queued.index
        task = self._starter.select(branch, operation)
        tasks: list[SelectTask] = [task]
        helpers: list[LiveBranch] = []
        if operation.method == "unconditional_likelihood_normalized":
            helper = self._add_helper(live, is_empty=True)
            helpers.append(helper)
            tasks.append(self._starter.select_unconditionally(helper.branch, task.choice_tokens))

        def finish() -> None:
            winner, result = decide(operation, task, tasks[1] if helpers else None, rows[0].cached_tokens or 0)
            branch.append(task.choice_tokens[winner])
            branch.seam_start = len(branch.token_ids)
            branch.gain(TextPiece(result.choice, False))
            self._tell(queued, [TextDelta(index, result.choice, operation.name)])
            self._tell_value(queued, operation.name, result)

        rows = self._activate(live, queued, tasks, finish, helpers)

    def _fork(self, live: LiveBranch, queued: QueuedOperation, operation: Fork) -> None:
        children = [self._add(self._child(live.branch)) for _ in range(operation.num_children)]
        for child in children:
            self._memory.share(live.branch, child.branch)
        self._tell(queued, [Forked(queued.index, tuple(child.branch.branch_id for child in children))])

    def _join(self, live: LiveBranch, queued: QueuedOperation, operation: Join) -> None:
        events = self._starter.prepare(live.branch, queued.index)
        for branch_id in operation.branch_ids:
            child = self._live.get(branch_id)
            if child is None or not child.is_idle:
                raise InvalidRequest(
                    f"join: expected a branch that lives and has nothing left to do, got branch {branch_id}"
                )
            if child.branch.parent_id != live.branch.branch_id:
                raise InvalidRequest(
                    f"join: expected a child of branch {live.branch.branch_id}, got branch {branch_id}, "
                    f"a child of {child.branch.parent_id}"
                )
            self._starter.prepare(child.branch, queued.index)  # a turn it has ended is closed in its text
            self._starter.prepare(live.branch, queued.index)  # what waits for the tokenizer comes first
            events += append_child(live.branch, child.branch, queued.index)
        self._tell(queued, events)

    def _activate(
        self,
        live: LiveBranch,
        queued: QueuedOperation,
        tasks: Iterable[Task],
        on_done: Callable[[], None],
        helpers: Iterable[LiveBranch] = (),
    ) -> list[Row]:
        """Make the tasks rows of the scheduler; `on_done` runs when all have ended."""
        rows: list[Row] = []
        for task in tasks:
            self._num_rows += 1
            rows.append(Row(task, (queued.ticket.arrival, self._num_rows), queued.ticket, queued.stopwatch))
        live.active = ActiveOperation(queued, [row for row in rows if not row.task.is_done], on_done, list(helpers))
        for row in live.active.rows:
            self._owners[row] = live
            self._scheduler.add(row)
        return rows

    # --- branches

    def _add(self, branch: Branch) -> LiveBranch:
        live = LiveBranch(branch)
        self._num_branches += 1
        self._live[branch.branch_id] = live
        return live

    def _child(self, parent: Branch) -> Branch:
        return Branch(
            branch_id=self._num_branches,
            namespace=parent.namespace,
            seed=parent.seed,
            parent_id=parent.branch_id,
            path=parent.next_child_path(),
            token_ids=list(parent.token_ids),
            seam_start=parent.seam_start,
            chat=parent.chat.copy() if parent.chat is not None else None,
            turn_end=parent.turn_end,
            fork_len=len(parent.token_ids),
        )

    def _add_helper(self, live: LiveBranch, *, is_empty: bool = False) -> LiveBranch:
        """A branch that no one outside sees: a copy of the live one, or an empty one."""
        if is_empty:
            branch = Branch(self._num_branches, live.branch.namespace, live.branch.seed, path=live.branch.path)
        else:
            branch = self._child(live.branch)
            self._memory.share(live.branch, branch)
        self._num_branches += 1
        helper = LiveBranch(branch)
        self._helpers.append(helper)
        return helper

    def _drop_helper(self, helper: LiveBranch) -> None:
        self._memory.release(helper.branch)
        self._helpers.remove(helper)

    def _end_branch(self, live: LiveBranch, error: Exception, queued: QueuedOperation | None) -> None:
        """Stop all a branch does. The request of `queued` ends with `error`, and so does every other one on it."""
        if not live.is_dead:
            live.is_dead = True
            self._answer_all(live, lambda: error, queued)
            self._stop(live)

    def _answer_all(
        self, live: LiveBranch, make_error: Callable[[], Exception], queued: QueuedOperation | None
    ) -> None:
        open_requests: dict[Request, int | None] = {}
        if queued is not None:
            open_requests[queued.request] = queued.index
        if live.active is not None:
            open_requests.setdefault(live.active.queued.request, live.active.queued.index)
        for each in live.queue:
            open_requests.setdefault(each.request, None)
        live.queue.clear()
        self.outbox.extend((request, Ended(make_error(), index)) for request, index in open_requests.items())

    def _stop(self, live: LiveBranch) -> None:
        """Take a branch's rows from the scheduler, and its memory."""
        if live.active is not None:
            for row in live.active.rows:
                del self._owners[row]
                self._scheduler.remove(row)
            for helper in live.active.helpers:
                self._drop_helper(helper)
            live.active = None
        self._memory.release(live.branch)

    def _tell(self, queued: QueuedOperation, events: Iterable[Event]) -> None:
        self.outbox.extend((queued.request, event) for event in events)

    def _tell_value(
        self, queued: QueuedOperation, name: str, result: tuple[GenResult, ...] | SelectResult | ScoreResult
    ) -> None:
        self._tell(queued, [ValueReady(queued.index, name, result, queued.stopwatch.stop(self._clock()))])


def _ignore(new: Emitted) -> None:
    """The text of further samples is not streamed."""

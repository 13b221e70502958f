"""Program: runs a Plan inside the engine: what depends on a value starts in the step after the one that made it."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from ...lang.events import BranchEnded, Closing, Event, Forked, SelectResult, TextDelta, ValueReady
from ...lang.ir import Fork, Gen, Join, Operation, Select, Text
from ...lang.plan import Branching, Joining, Ref, Step, Template
from ..errors import DependencyFailed, RequestCancelled
from ..live_branches import LiveBranches
from ..request import Ended, Request
from .joined_text import joined
from .plan_check import end_of, name_step, needs_of
from .plan_request import BranchOpened, PlanItem, PlanRequest


@dataclass(eq=False)
class ProgramBranch:
    """How far a branch of the plan has come."""

    index: int
    steps: tuple[Step, ...]
    branch_id: int | None = None
    """None: not open yet, or never to be."""
    is_ours: bool = True
    """The program opened it."""
    next_step: int = 0
    """The first step that has not been submitted."""
    request: Request | None = None
    """The steps that are under way."""
    has_ended: bool = False
    error: BaseException | None = None
    is_gathered: bool = False
    """Closed when it has ended."""
    held_back: list[BranchOpened | TextDelta] = field(default_factory=list)
    """What is told together with the next value, fork or end."""
    closing: Closing | None = None
    """Told at the end, unless text follows."""


class Program:
    """A live plan, on the engine's thread.

    A branch's steps are submitted as requests, each as long as what is known allows: it ends before a step that needs
    a value or the end of a branch that is not there yet. What the engine publishes at the end of a step decides what
    is submitted before the next one, so nothing waits for a step, and nothing is polled:

        ready --(submit)--> at work --(all of it ran)--> ready ... --> ended
          |  ^                 |
          |  +--(it came)--+   +--(it failed)--> ended, and so what was to be forked from it, or waits for its values
          |                |
          +-----------> waiting

    All rows of a program share its place in the order of arrival: one that has begun is not overtaken by later ones.
    """

    def __init__(self, request: PlanRequest, branches: LiveBranches, announce: Callable[["Program"], None]) -> None:
        """`announce`: is told when there is something to `publish`."""
        self._request = request
        self._plan = request.plan
        self._branches = branches
        self._announce = announce
        self._ticket = branches.issue_ticket(request.terms) if request.ticket is None else request.ticket
        self._parts = [
            ProgramBranch(index, branch.steps, request.roots.get(index), index not in request.roots)
            for index, branch in enumerate(request.plan.branches)
        ]
        self._texts: dict[Ref, str] = {}
        self._ended: set[Ref] = set()
        """Ends of branches that ran all their steps."""
        self._waiting: dict[Ref, list[ProgramBranch]] = defaultdict(list)
        self._ready: deque[ProgramBranch] = deque()
        self._news: list[PlanItem] = []

    def start(self) -> None:
        """Open the roots and submit what can run."""
        for part in self._parts:
            if self._plan.branches[part.index].parent is None:
                if part.branch_id is None:
                    self._open(part, self._branches.open(self._request.seed, self._request.namespace))
                self._ready.append(part)
        self._go_on()

    def cancel(self) -> None:
        """Stop what still runs, and close every branch that the program opened, those that have ended included."""
        for part in self._parts:
            if not part.has_ended:
                self._end(part, RequestCancelled("the plan was cancelled before it ended"), None)
            if part.request is not None:
                self._branches.cancel(part.request)
            if part.is_ours:
                self._close(part)
        self._ready.clear()

    def publish(self) -> None:
        """Tell the listener what has come up since the last time."""
        news, self._news = self._news, []
        self._request.listener(news)

    # --- going on

    def _go_on(self) -> None:
        while self._ready:
            part = self._ready.popleft()
            while part.request is None and not part.has_ended:
                operations = self._known_operations(part)
                if operations:
                    self._submit(part, operations)
                elif part.next_step == len(part.steps):
                    self._end(part, None, None)
                elif not self._pass(part, part.steps[part.next_step]):
                    break

    def _known_operations(self, part: ProgramBranch) -> list[Operation]:
        """The next steps, up to one that cannot run yet, or that the program itself must do something about."""
        operations: list[Operation] = []
        for number in range(part.next_step, len(part.steps)):
            step = part.steps[number]
            is_begun = bool(operations)
            if Ref(part.index, number) in self._request.refused or self._missing(step) is not None:
                break
            if isinstance(step, Joining) and (is_begun or step.mode == "gather_variable"):
                break
            operations.append(self._operation(step))
        return operations

    def _operation(self, step: Step) -> Operation:
        match step:
            case Template(parts=parts):
                texts = [self._texts[part] if isinstance(part, Ref) else str(part) for part in parts]
                return Text("".join(texts), step.has_special)
            case Branching(children=children):
                return Fork(len(children))
            case Joining(children=children):
                return Join(tuple(self._id_of(self._parts[child]) for child in children))
            case _:
                return step

    def _submit(self, part: ProgramBranch, operations: list[Operation]) -> None:
        first_step = part.steps[part.next_step]
        part.request = Request(
            self._id_of(part), tuple(operations), partial(self._hear, part), part.next_step, self._ticket
        )
        part.next_step += len(operations)
        self._branches.submit(part.request)
        if isinstance(first_step, Joining):
            # The branch had nothing to do, so it has joined them by now.
            for child in first_step.children:
                self._close(self._parts[child])

    def _pass(self, part: ProgramBranch, step: Step) -> bool:
        """Get past a step that is not the engine's, or end the branch there; False if it must wait."""
        place = Ref(part.index, part.next_step)
        missing = self._missing(step)
        if missing is not None:
            source = self._parts[missing.branch]
            if not source.has_ended:
                self._waiting[missing].append(part)
                return False
            self._end(part, self._dependency_failed(place, missing, source.error), place.step)
        elif place in self._request.refused:
            self._end(part, self._request.refused[place], place.step)
        else:
            assert isinstance(step, Joining), step
            part.next_step += 1
            for child in step.children:
                self._parts[child].is_gathered = True
                if self._parts[child].has_ended:
                    self._close(self._parts[child])
        return True

    def _missing(self, step: Step) -> Ref | None:
        """The first thing that a step needs and that is not there."""
        needs = needs_of(self._plan, step) if isinstance(step, Template | Joining) else ()
        return next((need for need in needs if need not in self._texts and need not in self._ended), None)

    def _dependency_failed(self, place: Ref, missing: Ref, cause: BaseException | None) -> DependencyFailed:
        source = self._plan.branches[missing.branch]
        what = "the end"
        if missing.step < len(source.steps):
            step = source.steps[missing.step]
            assert isinstance(step, Gen | Select), step
            what = f"the value {step.name!r}"
        error = DependencyFailed(
            f"{name_step(self._plan, place)} needs {what} of branch {missing.branch} ({source.label!r}), which failed: "
            f"{type(cause).__name__}: {cause}"
        )
        error.__cause__ = cause
        return error

    # --- hearing

    def _hear(self, part: ProgramBranch, item: Event | Ended) -> None:
        if part.has_ended:
            return
        match item:
            case Ended(error=error, operation_index=step):
                part.request = None
                if error is not None:
                    self._end(part, error, step)
                self._ready.append(part)
            case Closing():
                part.closing = item
            case Forked():
                self._tell(part, item)
                self._begin_children(part, item)
            case ValueReady():
                self._tell(part, item)
                self._note_value(Ref(part.index, item.operation_index), item)
            case TextDelta():
                part.closing = None
                self._tell(part, item)
        self._go_on()

    def _begin_children(self, part: ProgramBranch, event: Forked) -> None:
        step = part.steps[event.operation_index]
        assert isinstance(step, Branching), step
        for child, branch_id in zip(step.children, event.branch_ids, strict=True):
            self._open(self._parts[child], branch_id)
            self._ready.append(self._parts[child])

    def _note_value(self, place: Ref, event: ValueReady) -> None:
        result = event.result
        if isinstance(result, SelectResult):
            self._texts[place] = result.choice
        elif isinstance(result, tuple) and len(result) == 1:
            self._texts[place] = result[0].text
        self._ready += self._waiting.pop(place, ())

    # --- branches

    def _open(self, part: ProgramBranch, branch_id: int) -> None:
        part.branch_id = branch_id
        self._tell(part, BranchOpened(branch_id))

    def _close(self, part: ProgramBranch) -> None:
        if part.branch_id is not None:
            self._branches.close(part.branch_id)

    def _end(self, part: ProgramBranch, error: BaseException | None, step: int | None) -> None:
        """The branch has ended; with an error, so have those that were to be forked from it."""
        ending = [(part, step)]
        while ending:
            part, step = ending.pop()
            part.has_ended, part.error = True, error
            if part.closing is not None:
                self._tell(part, part.closing)
            self._tell(part, BranchEnded(error, step))
            if part.is_gathered:
                self._close(part)
            if error is None:
                self._ended.add(end_of(self._plan, part.index))
                self._ready += self._waiting.pop(end_of(self._plan, part.index), ())
                continue
            for number, each in enumerate(part.steps):
                self._ready += self._waiting.pop(Ref(part.index, number), ())
                if isinstance(each, Branching):
                    children = [self._parts[child] for child in each.children]
                    ending += [(child, None) for child in children if child.branch_id is None and not child.has_ended]
            self._ready += self._waiting.pop(end_of(self._plan, part.index), ())

    def _id_of(self, part: ProgramBranch) -> int:
        assert part.branch_id is not None, f"branch {part.index} is not open"
        return part.branch_id

    # --- telling

    def _tell(self, part: ProgramBranch, item: Event | BranchOpened | BranchEnded) -> None:
        """News for the listener; text, and that a branch is open, may have to wait for what follows."""
        if isinstance(item, TextDelta | BranchOpened) and not self._request.is_streaming:
            part.held_back.append(item)
            return
        if not self._news:
            self._announce(self)
        self._news += [(part.index, each) for each in _in_pieces(part.held_back)]
        self._news.append((part.index, item))
        part.held_back.clear()


def _in_pieces(items: Iterable[BranchOpened | TextDelta]) -> Iterator[BranchOpened | TextDelta]:
    """The same with the text of each operation in one piece."""
    for key, group in groupby(items, _piece_of):
        if key is None:
            yield from group
        else:
            yield joined([each for each in group if isinstance(each, TextDelta)])


def _piece_of(item: BranchOpened | TextDelta) -> tuple[int, str | None] | None:
    return (item.operation_index, item.name) if isinstance(item, TextDelta) else None

"""PlanStory: what happens in a plan as the events that a client reads, with the turns of its operations."""

from collections import defaultdict

from ....lang.events import BranchEnded, Closing, Event, Forked, ScoreResult, SelectResult, TextDelta, ValueReady
from ....lang.ir import Gen, Score, Select
from ....lang.plan import Branching, Joining, Plan, Ref, Step
from ....lang.wire import (
    BranchDone,
    BranchForked,
    BranchJoined,
    OperationStarted,
    TextAdded,
    TokenAdded,
    TurnClosing,
    ValueMade,
    WireEvent,
)
from ...plans.plan_check import end_of, needs_of
from .wire_errors import WireErrors


class PlanStory:
    """Follows one plan.

    The engine reports what came of operations, not their turns; but these follow from the plan: an operation's turn is
    when all before it on its branch have ended, and what it needs is there.
    """

    def __init__(self, plan: Plan, errors: WireErrors) -> None:
        """`plan` has been checked."""
        self._plan = plan
        self._errors = errors
        self._positions = [0] * len(plan.branches)
        """The step whose turn is next, by branch."""
        self._has_turn = [False] * len(plan.branches)
        """Whether that step has begun."""
        self._done: set[Ref] = set()
        self._waiting: dict[Ref, list[int]] = defaultdict(list)

    def begin(self) -> list[WireEvent]:
        """The first turns."""
        roots = [index for index, branch in enumerate(self._plan.branches) if branch.parent is None]
        return [event for index in roots for event in self._advance(index)]

    def hear(self, index: int, event: Event | BranchEnded) -> list[WireEvent]:
        """What a client is told of `event` on the branch `index`."""
        match event:
            case Forked(operation_index=step):
                branching = self._plan.branches[index].steps[step]
                assert isinstance(branching, Branching), branching
                told: list[WireEvent] = [BranchForked(index, step, branching.children)]
                for child in branching.children:
                    told += self._advance(child)
                return told + self._settle(Ref(index, step)) + self._advance(index)
            case ValueReady(operation_index=step):
                return [said(index, event), *self._settle(Ref(index, step)), *self._advance(index)]
            case BranchEnded(error=None):
                return [BranchDone(index), *self._settle(end_of(self._plan, index))]
            case BranchEnded(error=error, operation_index=step):
                return [BranchDone(index, step, None if error is None else self._errors.write(error))]
            case _:
                return [said(index, event)]

    def _settle(self, ref: Ref) -> list[WireEvent]:
        self._done.add(ref)
        return [event for index in self._waiting.pop(ref, ()) for event in self._advance(index)]

    def _advance(self, index: int) -> list[WireEvent]:
        """The turns that begin now on a branch: up to one that takes time, or that has to wait."""
        steps = self._plan.branches[index].steps
        told: list[WireEvent] = []
        while self._positions[index] < len(steps):
            number = self._positions[index]
            step = steps[number]
            if not self._has_turn[index]:
                missing = next((need for need in needs_of(self._plan, step) if need not in self._done), None)
                if missing is not None:
                    self._waiting[missing].append(index)
                    break
                self._has_turn[index] = True
                told += self._turn(index, number, step)
            if isinstance(step, Gen | Select | Score | Branching) and Ref(index, number) not in self._done:
                break
            self._positions[index] += 1
            self._has_turn[index] = False
        return told

    def _turn(self, index: int, number: int, step: Step) -> list[WireEvent]:
        name = step.name if isinstance(step, Gen | Select | Score) else None
        begun = OperationStarted(index, number, _kind(step), name)
        if isinstance(step, Joining):
            return [begun, BranchJoined(index, number, step.children, step.mode)]
        return [begun]


def said(index: int, event: Event) -> WireEvent:
    """One event of the branch `index`, as the client is told of it."""
    match event:
        case TextDelta(operation_index=step, text=text, name=str() as name, token_ids=token_ids):
            return TokenAdded(index, step, name, text, token_ids)
        case TextDelta(operation_index=step, text=text):
            return TextAdded(index, step, text)
        case ValueReady(operation_index=step, name=name, result=SelectResult() as selection, timing=timing):
            return ValueMade(index, step, name, selection=selection, timing=timing)
        case ValueReady(operation_index=step, name=name, result=ScoreResult() as score, timing=timing):
            return ValueMade(index, step, name, score=score, timing=timing)
        case ValueReady(operation_index=step, name=name, result=samples, timing=timing):
            assert isinstance(samples, tuple), samples
            return ValueMade(index, step, name, samples=samples, timing=timing)
        case Closing(text=text):
            return TurnClosing(index, text)
        case Forked(operation_index=step, branch_ids=branch_ids):
            return BranchForked(index, step, branch_ids)


def _kind(step: Step) -> str:
    """The step's tag in a plan's JSON."""
    return str(type(step).__struct_config__.tag)

"""From what the branches of a program have pending to one plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..ir import Fork, Join
from ..plan import Arg, Branching, Joining, Plan, PlanBranch, Ref, Step, Template
from .branch_runner import BranchRunner, ForkPoint, GatherPoint, JoinEntry, PendingStep
from .entry import Entry, TemplateEntry


@dataclass(frozen=True)
class BuiltPlan:
    """A plan, and what its branches and steps are on the user's side."""

    plan: Plan
    runners: tuple[BranchRunner, ...]
    """By the index of the branch."""
    entries: tuple[tuple[Entry | None, ...], ...]
    """By branch and step; None for a fork, or the end of its children."""

    def children(self, branch: int, step: int) -> tuple[BranchRunner, ...]:
        """The branches that a `Branching` makes."""
        branching = self.plan.branches[branch].steps[step]
        assert isinstance(branching, Branching), f"expected a branching at step {step} of branch {branch}"
        return tuple(self.runners[child] for child in branching.children)


def build_plan(
    name: str, parameters: Sequence[str], pending: Mapping[BranchRunner, Sequence[PendingStep]]
) -> BuiltPlan | None:
    """The plan of what is pending, parents before their children; O(steps).

    None where it refers to what an earlier submission has not made yet, or ends branches it has not forked.
    """
    return _Builder(pending).build(name, parameters)


class _Builder:
    def __init__(self, pending: Mapping[BranchRunner, Sequence[PendingStep]]) -> None:
        self._pending = pending
        self._parents: dict[BranchRunner, BranchRunner] = {}
        for runner, steps in pending.items():
            for step in steps:
                if isinstance(step, ForkPoint):
                    self._parents.update(dict.fromkeys(step.children, runner))
        self._runners = _in_order(pending, self._parents)
        self._indices = {runner: index for index, runner in enumerate(self._runners)}
        self._refs = {
            step: Ref(self._indices[runner], number)
            for runner, steps in pending.items()
            for number, step in enumerate(steps)
            if isinstance(step, Entry)
        }

    def build(self, name: str, parameters: Sequence[str]) -> BuiltPlan | None:
        branches: list[PlanBranch] = []
        for runner in self._runners:
            steps: list[Step] = []
            for pending in self._pending.get(runner, ()):
                step = self._step(pending)
                if step is None:
                    return None
                steps.append(step)
            parent = self._parents.get(runner)
            branches.append(PlanBranch(runner.label, None if parent is None else self._indices[parent], tuple(steps)))
        entries = tuple(
            tuple(step if isinstance(step, Entry) else None for step in self._pending.get(runner, ()))
            for runner in self._runners
        )
        return BuiltPlan(Plan(name, tuple(parameters), tuple(branches)), tuple(self._runners), entries)

    def _step(self, pending: PendingStep) -> Step | None:
        if isinstance(pending, ForkPoint):
            return Branching(tuple(self._indices[child] for child in pending.children))
        if isinstance(pending, GatherPoint):
            children = self._children(pending.children)
            return None if children is None else Joining(children, "gather_variable")
        if isinstance(pending, JoinEntry):
            children = self._children(pending.children)
            return None if children is None else Joining(children, "concate_and_append")
        if isinstance(pending, TemplateEntry):
            return self._template(pending)
        operation = pending.operation
        assert not isinstance(operation, Fork | Join), "the language records these as steps of their own"
        return operation

    def _children(self, children: Sequence[BranchRunner]) -> tuple[int, ...] | None:
        if any(child not in self._parents for child in children):
            return None
        return tuple(self._indices[child] for child in children)

    def _template(self, entry: TemplateEntry) -> Template | None:
        parts: list[str | Ref | Arg] = []
        for part in entry.parts:
            if not isinstance(part, Entry):
                parts.append(part)
            elif part in self._refs:
                parts.append(self._refs[part])
            elif part.done.is_set() and part.failure is None:
                parts.append(part.content())
            else:
                return None
        return Template(tuple(parts), entry.has_special)


def _in_order(
    pending: Mapping[BranchRunner, Sequence[PendingStep]], parents: Mapping[BranchRunner, BranchRunner]
) -> list[BranchRunner]:
    """All branches of the plan, each after its parent."""
    ordered: dict[BranchRunner, None] = {}

    def add(runner: BranchRunner) -> None:
        if runner not in ordered:
            if runner in parents:
                add(parents[runner])
            ordered[runner] = None

    for runner in (*pending, *parents):
        add(runner)
    return list(ordered)

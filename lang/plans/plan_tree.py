"""A plan as a tree of lines: one an operation, the branches of a fork indented below it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..ir import DeclareTools, Fork, Gen, Join, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from .operation_summary import operation_words, shortened

_OPERATIONS = (Text, Tokens, DeclareTools, RoleBegin, RoleEnd, Gen, Select, Score, Fork, Join)
_TEMPLATE_LEN = 56


# The structs of a plan as they are seen from here: a plan draws itself, so its module imports this one.


class DrawnBranch(Protocol):
    """`PlanBranch`."""

    @property
    def label(self) -> str: ...

    @property
    def parent(self) -> int | None: ...

    @property
    def steps(self) -> Sequence[object]: ...


class DrawnPlan(Protocol):
    """`Plan`."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> Sequence[str]: ...

    @property
    def branches(self) -> Sequence[DrawnBranch]: ...


@runtime_checkable
class _Template(Protocol):
    @property
    def parts(self) -> Sequence[object]: ...


@runtime_checkable
class _Branching(Protocol):
    @property
    def children(self) -> Sequence[int]: ...


@runtime_checkable
class _Joining(_Branching, Protocol):
    @property
    def mode(self) -> str: ...


@runtime_checkable
class _Ref(Protocol):
    @property
    def branch(self) -> int: ...

    @property
    def step(self) -> int: ...


@runtime_checkable
class _Arg(Protocol):
    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class PlanLine:
    """One line of the tree; `step` is None for the heading of a branch, `branch` for that of the plan, too."""

    text: str
    branch: int | None = None
    step: int | None = None


def draw_plan(plan: DrawnPlan) -> str:
    """The plan as text, with box characters.

    Values are shown where they are used as `{name}`, or `{branch: name}` where they come from a branch that the text
    does not begin with; arguments that are open as `{name}`, too.
    """
    return "\n".join(line.text for line in plan_lines(plan))


def plan_lines(plan: DrawnPlan) -> Iterator[PlanLine]:
    """The lines of the drawing, each with the step it stands for."""
    yield PlanLine(f"{plan.name}({', '.join(plan.parameters)})")
    roots = [index for index, branch in enumerate(plan.branches) if branch.parent is None]
    for root in roots:
        if len(roots) == 1:
            yield from _branch_lines(plan, root, "")
        else:
            is_last = root == roots[-1]
            yield PlanLine(f"{'└─' if is_last else '├─'} {plan.branches[root].label}", root)
            yield from _branch_lines(plan, root, "   " if is_last else "│  ")


def _branch_lines(plan: DrawnPlan, index: int, indent: str) -> Iterator[PlanLine]:
    steps = plan.branches[index].steps
    for number, step in enumerate(steps):
        is_last = number == len(steps) - 1
        yield PlanLine(f"{indent}{'└─' if is_last else '├─'} {_step_words(plan, index, step)}", index, number)
        if isinstance(step, _Joining) or not isinstance(step, _Branching):
            continue
        inner = indent + ("   " if is_last else "│  ")
        for child in step.children:
            is_last_child = child == step.children[-1]
            yield PlanLine(f"{inner}{'└─' if is_last_child else '├─'} {plan.branches[child].label}", child)
            yield from _branch_lines(plan, child, inner + ("   " if is_last_child else "│  "))


def _step_words(plan: DrawnPlan, index: int, step: object) -> str:
    if isinstance(step, _OPERATIONS):
        kind = str(step.__struct_config__.tag).replace("_", " ")
        return f"{kind} {operation_words(step)}"
    if isinstance(step, _Template):
        return f"text {_template_words(plan, index, step)}"
    if isinstance(step, _Joining):
        labels = ", ".join(plan.branches[child].label for child in step.children)
        return f"join {shortened(labels, 60)} ({'texts' if step.mode == 'concate_and_append' else 'variables'})"
    assert isinstance(step, _Branching), step
    return f"fork into {len(step.children)}"


def _template_words(plan: DrawnPlan, index: int, step: _Template) -> str:
    """The text as an f-string would be written, with braces that stand for themselves doubled."""
    num_texts = sum(isinstance(part, str) for part in step.parts)
    max_len = max(12, _TEMPLATE_LEN // max(1, num_texts))
    words = ""
    for part in step.parts:
        if isinstance(part, str):
            words += (
                json.dumps(shortened(part, max_len), ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
            )
        elif isinstance(part, _Ref):
            words += f"{{{_ref_words(plan, index, part)}}}"
        else:
            assert isinstance(part, _Arg), part
            words += f"{{{part.name}}}"
    return f'"{words}"'


def _ref_words(plan: DrawnPlan, index: int, ref: _Ref) -> str:
    step = plan.branches[ref.branch].steps[ref.step]
    name = step.name if isinstance(step, _Arg) else f"step {ref.step}"
    is_inherited = ref.branch in _line_of(plan, index)
    return name if is_inherited else f"{plan.branches[ref.branch].label}: {name}"


def _line_of(plan: DrawnPlan, index: int) -> list[int]:
    """The branch, what it was forked from, and so on up to the root."""
    line = [index]
    while (parent := plan.branches[line[-1]].parent) is not None:
        line.append(parent)
    return line

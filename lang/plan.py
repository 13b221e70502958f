"""Plan: a whole program as plain data: its branches, their operations, and which text refers to which value."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from .errors import InvalidArgument
from .ir import DeclareTools, Gen, RoleBegin, RoleEnd, Score, Select, Text, Tokens

PLAN_VERSION = 1


class Ref(msgspec.Struct, frozen=True, tag="ref"):
    """The text of a value: what the `Gen` or `Select` at `step` of the branch `branch` wrote."""

    branch: int
    step: int


class Arg(msgspec.Struct, frozen=True, tag="arg"):
    """An argument of the program that the plan leaves open, as `str` shows it."""

    name: str


class Template(msgspec.Struct, frozen=True, tag="template"):
    """Append the text of all parts, some of which are known only later. `has_special` as in `Text`."""

    parts: tuple[str | Ref | Arg, ...]
    has_special: bool = False


class Branching(msgspec.Struct, frozen=True, tag="branching"):
    """Make the branches `children` (indices into the plan), which begin with all of this one so far."""

    children: tuple[int, ...]


class Joining(msgspec.Struct, frozen=True, tag="joining"):
    """End the branches `children` once their steps are done.

    "concate_and_append" appends what each added since the fork, in that order; "gather_variable" appends nothing,
    and this branch does not wait.
    """

    children: tuple[int, ...]
    mode: Literal["gather_variable", "concate_and_append"]


Step = Text | Tokens | Template | DeclareTools | RoleBegin | RoleEnd | Gen | Select | Score | Branching | Joining


class PlanBranch(msgspec.Struct, frozen=True):
    """One branch: `parent` is the index of the branch that a `Branching` forks it from, None for a root.

    A plan of a whole program has one root. What an eager program submits at once may have several: branches that are
    open already, whose steps go on where they stand.
    """

    label: str
    parent: int | None
    steps: tuple[Step, ...]


class Plan(msgspec.Struct, frozen=True):
    """A program, or the part of one that runs without looking at a value in Python.

    Frozen, equal where the same, JSON there and back (`to_json`, `from_json`), and drawn as a tree by `str`.
    Branches come after their parents.
    """

    name: str
    parameters: tuple[str, ...]
    """Arguments left open, in the order of the signature; `bind` closes them."""
    branches: tuple[PlanBranch, ...]
    version: int = PLAN_VERSION

    def to_json(self) -> str:
        """The plan as JSON text."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Plan":
        """Read what `to_json` wrote; raises `InvalidArgument` on anything else, or on another version."""
        try:
            plan = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise InvalidArgument("plan", "the JSON text of a plan", text, str(error)) from error
        if plan.version != PLAN_VERSION:
            raise InvalidArgument("plan", f"a plan of version {PLAN_VERSION}", plan.version, "trace the program again")
        return plan

    def bind(self, arguments: Mapping[str, object]) -> "Plan":
        """The plan with the open arguments given; raises `InvalidArgument` where one is missing or unknown."""
        missing = [name for name in self.parameters if name not in arguments]
        unknown = [name for name in arguments if name not in self.parameters]
        if missing or unknown:
            wrong = f"missing: {missing}" if missing else f"unknown: {unknown}"
            raise InvalidArgument("arguments", f"values for {list(self.parameters)}", dict(arguments), wrong)
        texts = {name: format(value) for name, value in arguments.items()}
        branches = tuple(
            msgspec.structs.replace(branch, steps=tuple(_bound(step, texts) for step in branch.steps))
            for branch in self.branches
        )
        return msgspec.structs.replace(self, parameters=(), branches=branches)

    def constant_prefix(self) -> tuple[Step, ...]:
        """The steps of the root that every run of the program begins with: up to the first value or argument."""
        steps: list[Step] = []
        for step in self.branches[0].steps:
            if isinstance(step, Template):
                known = _leading_text(step)
                if known:
                    steps.append(Text(known, step.has_special))
                break
            if not isinstance(step, Text | Tokens | DeclareTools | RoleBegin | RoleEnd):
                break
            steps.append(step)
        return tuple(steps)

    def values(self) -> "Iterator[tuple[Ref, Gen | Select | Score]]":
        """Every operation that makes a value, with its place."""
        for index, branch in enumerate(self.branches):
            for number, step in enumerate(branch.steps):
                if isinstance(step, Gen | Select | Score):
                    yield Ref(index, number), step

    def __str__(self) -> str:
        from .plans.plan_tree import draw_plan

        return draw_plan(self)


def refs_of(step: Step) -> tuple[Ref, ...]:
    """The values whose text `step` needs before it can run."""
    if not isinstance(step, Template):
        return ()
    return tuple(part for part in step.parts if isinstance(part, Ref))


def _bound(step: Step, texts: Mapping[str, str]) -> Step:
    if not isinstance(step, Template):
        return step
    parts: list[str | Ref | Arg] = []
    for part in step.parts:
        if isinstance(part, Arg) and part.name not in texts:
            raise InvalidArgument("plan", f"parts that are among its parameters {list(texts)}", part.name)
        text = texts[part.name] if isinstance(part, Arg) else part
        if isinstance(text, str) and parts and isinstance(parts[-1], str):
            parts[-1] += text
        else:
            parts.append(text)
    if all(isinstance(part, str) for part in parts):
        return Text("".join(str(part) for part in parts), step.has_special)
    return Template(tuple(parts), step.has_special)


def _leading_text(template: Template) -> str:
    text = ""
    for part in template.parts:
        if not isinstance(part, str):
            break
        text += part
    return text

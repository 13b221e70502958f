"""PlanCost: what a plan takes at worst, told before it runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...grammar.spec import Constraint
from ..ir import DeclareTools, Gen, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from ..plan import Arg, Branching, Joining, Plan, Ref, Step, Template, refs_of
from .operation_summary import variable_words
from .plan_tree import plan_lines

TokenLen = Callable[[str], int]
"""How many tokens a text has."""

EnforcedBy = Callable[[Constraint], str]
"""What enforces a constraint, and why; or why it is refused."""

Place = tuple[int, int]
"""(branch, step)."""


@dataclass(frozen=True)
class StepCost:
    """One step: tokens it appends that are known, tokens it samples at most, and when it is done at the latest.

    `known_len` is None where only the model's template or tokenizer says how long it is, or an argument is open. What
    it has of values is not counted again: it was sampled. `done_by` counts forward passes from the plan's start.
    """

    known_len: int | None
    max_new_len: int
    done_by: int


@dataclass(frozen=True)
class PlanCost:
    """The worst case of a plan: every generation as long as it may be.

    Forward passes count one after another: a generation takes one for each token, the first of which also computes
    the text before it; a select or score takes one. Branches run side by side, so a fork costs as much as the longest
    of its branches, and `num_passes` is the longest chain of steps that need one another. Text that goes into the
    model in chunks, or a full machine, takes more.
    """

    steps: Mapping[Place, StepCost]
    shared: Mapping[Place, int | None]
    """By fork: the known tokens that its branches share, which are computed once; None where they are not known."""
    known_len: int
    """All known tokens; what branches share counts once."""
    is_exact: bool
    """Nothing was left out of `known_len`."""
    max_new_len: int
    num_passes: int

    @classmethod
    def of(cls, plan: Plan, token_len: TokenLen | None) -> "PlanCost":
        """Add up the plan. `token_len` None: of no text is it known how many tokens it has."""
        return _Walk(plan, token_len).cost()


class _Walk:
    """Costs in order of need: a step is costed once all that it waits for is."""

    def __init__(self, plan: Plan, token_len: TokenLen | None) -> None:
        self._plan = plan
        self._token_len = token_len
        self._steps: dict[Place, StepCost] = {}
        self._shared: dict[Place, int | None] = {}
        self._next = [0] * len(plan.branches)
        self._clock: list[int | None] = [0 if branch.parent is None else None for branch in plan.branches]
        """When each branch is done with its steps so far; None: it is not forked yet."""
        self._prefix: list[int | None] = [0] * len(plan.branches)

    def cost(self) -> PlanCost:
        has_moved = True
        while has_moved:
            has_moved = False
            for index in range(len(self._plan.branches)):
                while self._advance(index):
                    has_moved = True
        num_steps = sum(len(branch.steps) for branch in self._plan.branches)
        assert len(self._steps) == num_steps, (len(self._steps), num_steps, "a plan whose steps wait for each other")
        lens = [step.known_len for step in self._steps.values()]
        return PlanCost(
            steps=self._steps,
            shared=self._shared,
            known_len=sum(each for each in lens if each is not None),
            is_exact=None not in lens,
            max_new_len=sum(step.max_new_len for step in self._steps.values()),
            num_passes=max((step.done_by for step in self._steps.values()), default=0),
        )

    def _advance(self, index: int) -> bool:
        """Cost the next step of a branch; False where it has none, or waits."""
        branch, number = self._plan.branches[index], self._next[index]
        clock = self._clock[index]
        if number == len(branch.steps) or clock is None:
            return False
        step = branch.steps[number]
        needed = self._needed(step)
        if any(place not in self._steps for place in needed):
            return False
        begin = max([clock, *(self._steps[place].done_by for place in needed)])
        max_new_len, num_passes = _sampled(step)
        cost = StepCost(self._known_len(step), max_new_len, begin + num_passes)
        self._steps[index, number] = cost
        self._clock[index] = cost.done_by
        self._next[index] += 1
        prefix = self._prefix[index]
        self._prefix[index] = None if prefix is None or cost.known_len is None else prefix + cost.known_len
        if isinstance(step, Branching):
            self._shared[index, number] = prefix
            for child in step.children:
                self._clock[child], self._prefix[child] = cost.done_by, prefix
        return True

    def _needed(self, step: Step) -> Sequence[Place]:
        if isinstance(step, Joining) and step.mode == "concate_and_append":
            branches = self._plan.branches
            return [(child, len(branches[child].steps) - 1) for child in step.children if branches[child].steps]
        return [(ref.branch, ref.step) for ref in refs_of(step)]

    def _known_len(self, step: Step) -> int | None:
        match step:
            case Tokens(token_ids=token_ids):
                return len(token_ids)
            case Text(text=text) | Score(text=text):
                return None if self._token_len is None else self._token_len(text)
            case Template(parts=parts):
                texts = [part for part in parts if isinstance(part, str)]
                if self._token_len is None or any(isinstance(part, Arg) for part in parts):
                    return None
                return sum(self._token_len(text) for text in texts if text)
            case RoleBegin() | RoleEnd() | DeclareTools():
                return None
            case Gen() | Select() | Branching() | Joining():
                return 0


def explain_plan(plan: Plan, token_len: TokenLen | None, enforced_by: EnforcedBy | None = None) -> str:
    """The plan as a tree, with what each step takes in columns beside it; below, the sums, and who enforces what."""
    cost = PlanCost.of(plan, token_len)
    heading, *rest = plan_lines(plan)
    rows = [(heading.text, "known", "new", "done by pass")]
    for line in rest:
        step = None if line.branch is None or line.step is None else cost.steps[line.branch, line.step]
        text = line.text
        if line.branch is not None and line.step is not None and (line.branch, line.step) in cost.shared:
            text += _sharing(cost.shared[line.branch, line.step])
        rows.append((text, *_columns(plan, Ref(line.branch or 0, line.step or 0), step)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines: list[str] = []
    for text, *cells in rows:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([text.ljust(widths[0]), *aligned]))
    enforcement = [] if enforced_by is None else _enforcement(plan, enforced_by)
    return "\n".join([*(line.rstrip() for line in lines), "", _totals(plan, cost), *enforcement])


def _columns(plan: Plan, place: Ref, cost: StepCost | None) -> tuple[str, str, str]:
    if cost is None:
        return "", "", ""
    step = plan.branches[place.branch].steps[place.step]
    if isinstance(step, Branching | Joining):
        return "", "", ""
    has_passes = isinstance(step, Gen | Select | Score)
    known = "?" if cost.known_len is None else str(cost.known_len)
    is_known = not isinstance(step, Gen | Select)
    new = f"≤ {cost.max_new_len}" if cost.max_new_len else ""
    return known if is_known else "", new, f"≤ {cost.done_by}" if has_passes else ""


def _sharing(shared: int | None) -> str:
    if shared is None:
        return ", which share all the text so far"
    return f", which share {shared} known tokens" if shared else ""


def _totals(plan: Plan, cost: PlanCost) -> str:
    known = f"{cost.known_len} known tokens" if cost.is_exact else f"at least {cost.known_len} known tokens"
    num_branches = len(plan.branches)
    lines = [
        f"{num_branches} {'branch' if num_branches == 1 else 'branches'}, {known}, "
        f"at most {cost.max_new_len} new ones, at most {cost.num_passes} forward passes one after another",
    ]
    if not cost.is_exact:
        lines.append("?: only a model's tokenizer or chat template, or an argument, says how many")
    return "\n".join(lines)


def _enforcement(plan: Plan, enforced_by: EnforcedBy) -> list[str]:
    """A line for each different constraint, with the variables that are held to it."""
    names: dict[Constraint, list[str]] = {}
    for branch in plan.branches:
        for step in branch.steps:
            if isinstance(step, Gen) and step.constraint is not None:
                names.setdefault(step.constraint, []).append(variable_words(step.name))
    words = [f"  {', '.join(dict.fromkeys(held))}: {enforced_by(constraint)}" for constraint, held in names.items()]
    return ["constraints are enforced by", *words] if words else []


def _sampled(step: Step) -> tuple[int, int]:
    """(tokens it samples at most, forward passes it takes at most)."""
    if isinstance(step, Gen):
        return step.params.max_new_tokens * step.params.n, step.params.max_new_tokens
    return 0, int(isinstance(step, Select | Score))

"""check_plan: refuses a plan that cannot run to its end, before any of it runs."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NoReturn

from ...lang.ir import Gen, Select
from ...lang.plan import Arg, Branching, Joining, Plan, Ref, Step, Template, refs_of
from ..errors import InvalidRequest


def end_of(plan: Plan, index: int) -> Ref:
    """Names the end of a branch, as `Ref` names a value: the step after its last."""
    return Ref(index, len(plan.branches[index].steps))


def needs_of(plan: Plan, step: Step) -> tuple[Ref, ...]:
    """What must be there before a step can run: values, and ends of branches (see `end_of`)."""
    if isinstance(step, Joining):
        return tuple(end_of(plan, child) for child in step.children) if step.mode == "concate_and_append" else ()
    return refs_of(step)


def name_step(plan: Plan, place: Ref) -> str:
    """How errors call a step."""
    return f"plan {plan.name!r}: step {place.step} of branch {place.branch} ({plan.branches[place.branch].label!r})"


def check_plan(plan: Plan, roots: Collection[int]) -> None:
    """Refuse a plan that has open arguments, indices that name nothing, or steps that wait for each other.

    `roots`: the branches that are open already. Raises: InvalidRequest, which names branch and step. O(size of the
    plan).
    """
    if not plan.branches:
        raise InvalidRequest(f"plan {plan.name!r}: expected at least one branch, got none")
    if plan.parameters:
        raise InvalidRequest(f"plan {plan.name!r}: expected no open arguments, got {plan.parameters}; call bind first")
    for index, branch in enumerate(plan.branches):
        if branch.parent is not None and not 0 <= branch.parent < index:
            raise InvalidRequest(
                f"plan {plan.name!r}: expected the parent of branch {index} ({branch.label!r}) before it, "
                f"got {branch.parent}"
            )
    for index in roots:
        if not 0 <= index < len(plan.branches) or plan.branches[index].parent is not None:
            raise InvalidRequest(f"plan {plan.name!r}: expected live branches for its roots only, got one for {index}")
    _check_families(plan, roots)
    for place, step in _steps(plan):
        if isinstance(step, Template):
            _check_template(plan, place, step)
    _check_order(plan)


def _steps(plan: Plan) -> Iterator[tuple[Ref, Step]]:
    for index, branch in enumerate(plan.branches):
        for number, step in enumerate(branch.steps):
            yield Ref(index, number), step


def _check_families(plan: Plan, roots: Collection[int]) -> None:
    """Each child is forked once, by its parent, and joined at most once, later."""
    forked: set[int] = set()
    joined: set[int] = set()
    for place, step in _steps(plan):
        if not isinstance(step, Branching | Joining):
            continue
        verb, seen = ("forks", forked) if isinstance(step, Branching) else ("joins", joined)
        if not step.children:
            _refuse(plan, place, "expected at least one child, got none")
        for child in step.children:
            if not 0 <= child < len(plan.branches):
                _refuse(plan, place, f"{verb} branch {child}, but there are {len(plan.branches)}")
            is_own = plan.branches[child].parent == place.branch
            if not is_own and not (isinstance(step, Joining) and child in roots and child != place.branch):
                _refuse(plan, place, f"{verb} branch {child}, whose parent is {plan.branches[child].parent}")
            if child in seen:
                _refuse(plan, place, f"{verb} branch {child} a second time")
            if isinstance(step, Joining) and is_own and child not in forked:
                _refuse(plan, place, f"joins branch {child} before it is forked")
            seen.add(child)
    for index, branch in enumerate(plan.branches):
        if branch.parent is not None and index not in forked:
            raise InvalidRequest(f"plan {plan.name!r}: no step forks branch {index} ({branch.label!r})")


def _check_template(plan: Plan, place: Ref, template: Template) -> None:
    for part in template.parts:
        if isinstance(part, Arg):
            _refuse(plan, place, f"expected no open arguments, got {part.name!r}; call bind first")
        if not isinstance(part, Ref):
            continue
        is_there = 0 <= part.branch < len(plan.branches) and 0 <= part.step < len(plan.branches[part.branch].steps)
        source = plan.branches[part.branch].steps[part.step] if is_there else None
        match source:
            case Gen(params=params) if params.n == 1:
                pass
            case Select():
                pass
            case Gen(params=params):
                _refuse(plan, place, f"refers to {part}, but a generation of {params.n} samples is no single text")
            case None:
                _refuse(plan, place, f"refers to {part}, and there is no such step")
            case _:
                _refuse(plan, place, f"refers to {part}, but a {type(source).__name__} makes no value with a text")


def _check_order(plan: Plan) -> None:
    """Go through the plan as if each step ended at once; whoever is left waits for itself, by way of others or not."""
    positions = [0] * len(plan.branches)
    waiting: dict[Ref, list[int]] = defaultdict(list)
    blocked: dict[int, Ref] = {}
    ready = [index for index, branch in enumerate(plan.branches) if branch.parent is None]
    while ready:
        index = ready.pop()
        steps = plan.branches[index].steps
        while positions[index] < len(steps):
            step = steps[positions[index]]
            need = next((each for each in needs_of(plan, step) if not _is_past(plan, positions, each)), None)
            if need is not None:
                waiting[need].append(index)
                blocked[index] = need
                break
            if isinstance(step, Branching):
                ready += step.children
            ready += waiting.pop(Ref(index, positions[index]), ())
            positions[index] += 1
        else:
            blocked.pop(index, None)
            ready += waiting.pop(end_of(plan, index), ())
    for index, need in blocked.items():
        if positions[index] < len(plan.branches[index].steps):
            what = "the end of" if need == end_of(plan, need.branch) else f"step {need.step} of"
            _refuse(
                plan,
                Ref(index, positions[index]),
                f"needs {what} branch {need.branch} ({plan.branches[need.branch].label!r}), which waits for this one",
            )


def _is_past(plan: Plan, positions: list[int], need: Ref) -> bool:
    if need == end_of(plan, need.branch):
        return positions[need.branch] == need.step
    return positions[need.branch] > need.step


def _refuse(plan: Plan, place: Ref, what: str) -> NoReturn:
    raise InvalidRequest(f"{name_step(plan, place)}: {what}")

"""PlanWatch: what a plan must do, run step by step by the oracle, against what its listener hears."""

from collections.abc import Mapping

from faults import InjectedFault
from ledger import Ledger
from naive_generation import Sample
from oracle import Choice, Limits, NaiveBranch, Outcome
from random_plans import DrawnPlan

from palmette.lang.events import BranchEnded
from palmette.lang.ir import Fork, Join, Operation, Text
from palmette.lang.plan import Branching, Joining, Plan, Ref, Step, Template
from palmette.runtime.branch import Branch
from palmette.runtime.errors import BranchClosed, DependencyFailed, RequestCancelled
from palmette.runtime.plans.plan_request import BranchOpened, PlanItem, PlanRequest
from palmette.runtime.plans.program import Program


class NaivePlan:
    """A plan run step by step, on branches of the oracle."""

    def __init__(self, drawn: DrawnPlan, seed: int, limits: Limits, roots: Mapping[int, NaiveBranch]) -> None:
        """`roots`: branches that were there before, by index."""
        self.ledgers = {index: Ledger() for index in range(len(drawn.plan.branches))}
        self.failed: dict[int, type[Exception]] = {}
        """Branches that must fail, and how."""
        self._plan = drawn.plan
        self._texts: dict[Ref, str] = {}
        self._branches = {
            index: roots[index] if index in roots else NaiveBranch(Branch(0, "", seed), limits)
            for index, branch in enumerate(drawn.plan.branches)
            if branch.parent is None
        }
        for place in drawn.order:
            if place.branch in self._branches and place.branch not in self.failed:
                self._run(place, drawn.plan.branches[place.branch].steps[place.step])

    @property
    def seeds(self) -> set[int]:
        """Of its branches."""
        return {branch.branch.seed for branch in self._branches.values()}

    def _run(self, place: Ref, step: Step) -> None:
        match step:
            case Joining(mode="gather_variable"):
                return
            case Joining(children=children) if any(each in self.failed for each in children):
                self._fail(place.branch, DependencyFailed)
            case Joining(children=children):
                self._do(place, Join(()), [self._branches[child] for child in children])
            case Branching(children=children):
                outcome = self._do(place, Fork(len(children)))
                self._branches.update(zip(children, outcome.children, strict=False))
            case Template(parts=parts):
                known = [self._texts.get(part) if isinstance(part, Ref) else str(part) for part in parts]
                if None in known:
                    self._fail(place.branch, DependencyFailed)
                else:
                    self._do(place, Text("".join(each or "" for each in known), step.has_special))
            case _:
                self._do(place, step)

    def _do(self, place: Ref, operation: Operation, children: list[NaiveBranch] | None = None) -> Outcome:
        outcome = self._branches[place.branch].run(operation, children or ())
        self.ledgers[place.branch].outcomes[place.step] = outcome
        if outcome.error is not None:
            self._fail(place.branch, outcome.error)
        match outcome.value:
            case Choice(choice=choice):
                self._texts[place] = choice
            case (Sample(text=text),):
                self._texts[place] = text
        return outcome

    def _fail(self, index: int, error: type[Exception]) -> None:
        """A branch fails, and with it those that were to be forked from it later."""
        self.failed[index] = error
        for child, branch in enumerate(self._plan.branches):
            if branch.parent == index and child not in self._branches and child not in self.failed:
                self._fail(child, error)


class PlanWatch:
    """The listener of a plan: takes what it hears, and checks it when the engine has stopped to look."""

    program: Program
    request: PlanRequest

    def __init__(self, drawn: DrawnPlan, naive: NaivePlan, born: float, deaf_after: int | None) -> None:
        self.plan: Plan = drawn.plan
        self.ended: dict[int, BranchEnded] = {}
        self.born = born
        self.is_cut = False
        """It was cancelled, or its listener failed, or a branch that it runs on was closed."""
        self._naive = naive
        self._deaf_after = deaf_after
        self._is_deaf = False
        self._num_heard = 0
        self._opened: dict[int, int] = {}
        self._inbox: list[PlanItem] = []

    @property
    def seeds(self) -> set[int]:
        """Of the branches it runs on."""
        return self._naive.seeds

    @property
    def is_done(self) -> bool:
        """Whether every branch has ended."""
        return len(self.ended) == len(self.plan.branches)

    def __call__(self, items: list[PlanItem]) -> None:
        self._inbox += items
        self._num_heard += 1
        if self._deaf_after is not None and self._num_heard > self._deaf_after:
            self._is_deaf = self.is_cut = True
            raise InjectedFault("a listener")

    def take(self) -> list[PlanItem]:
        """What has been heard since the last time, checked."""
        items, self._inbox = self._inbox, []
        for index, item in items:
            assert index not in self.ended, f"{item} came after the end of branch {index}"
            match item:
                case BranchOpened(branch_id=branch_id):
                    assert index not in self._opened, f"branch {index} was opened twice"
                    self._opened[index] = branch_id
                case BranchEnded(error=error):
                    self.ended[index] = item
                    if error is None:
                        assert index not in self._naive.failed, f"branch {index}: expected {self._naive.failed[index]}"
                        self._naive.ledgers[index].check_complete()
                case _:
                    self._naive.ledgers[index].hear(item)
        assert self.is_done or not self._is_deaf, "its listener has failed, but the plan goes on"
        return items

    def is_explained(self, index: int, ended: BranchEnded) -> bool:
        """Whether the error that ended a branch had to come; one that comes of another's failure has its cause."""
        error: BaseException | None = ended.error
        if type(error) is self._naive.failed.get(index):
            return True
        while isinstance(error, DependencyFailed):
            error = error.__cause__
        others = [each.error for number, each in self.ended.items() if number != index]
        if isinstance(error, RequestCancelled | BranchClosed):
            return self.is_cut
        return any(error is other for other in others) and error is not ended.error

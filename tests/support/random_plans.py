"""Random plans that can run, each with one order in which its steps can be run one by one."""

from dataclasses import dataclass, field

from chooser import Chooser, DrawnChooser
from hypothesis import strategies as st
from random_operations import RandomOperations, Wording

from palmette.grammar.spec import Regex
from palmette.lang.ir import Tokens
from palmette.lang.plan import Branching, Joining, Plan, PlanBranch, Ref, Step, Template

SPRIG_WORDING = Wording(
    token_ids=(1, 2, 3),
    texts=(" and so", ".\n", " one two three", "", "<|im_end|>"),
    choices=((" yes", " no", " nobody"),),
    scored=(" one two",),
    constraints=(Regex("[a-f]{1,3}"),),
)


@dataclass
class DrawnBranch:
    """A branch that is being drawn."""

    parent: int | None
    steps: list[Step] = field(default_factory=list)
    open_children: list[int] = field(default_factory=list)
    is_open: bool = True


@dataclass(frozen=True)
class DrawnPlan:
    """`order`: the steps in the order in which they were drawn; each needs only what comes before it."""

    plan: Plan
    order: tuple[Ref, ...]


@st.composite
def random_plans(draw: st.DrawFn, max_steps: int = 14, max_branches: int = 7) -> DrawnPlan:
    """Texts, generations, selections, scores, forks within forks, joins, and references within and across branches."""
    chooser = DrawnChooser(draw)
    return PlanDrawing(chooser, RandomOperations(chooser, SPRIG_WORDING, is_rich=False)).draw(max_steps, max_branches)


class PlanDrawing:
    """Draws one plan, step by step."""

    def __init__(self, chooser: Chooser, operations: RandomOperations) -> None:
        self._chooser = chooser
        self._operations = operations
        self._branches: list[DrawnBranch] = []
        self._order: list[Ref] = []
        self._values: list[Ref] = []

    def draw(self, max_steps: int, max_branches: int, prompts: tuple[tuple[int, ...], ...] = ()) -> DrawnPlan:
        """The plan; `prompts`: what its roots may begin with."""
        chooser = self._chooser
        for index in range(chooser.integer(1, 2)):
            self._branches.append(DrawnBranch(None))
            self._add(index, Tokens(chooser.pick(prompts) if prompts else self._operations.token_ids(8)))
        for _ in range(chooser.integer(1, max_steps)):
            self._draw_step(max_branches)
        branches = tuple(
            PlanBranch(f"b{index}", each.parent, tuple(each.steps)) for index, each in enumerate(self._branches)
        )
        return DrawnPlan(Plan("random", (), branches), tuple(self._order))

    def _add(self, index: int, step: Step) -> None:
        self._order.append(Ref(index, len(self._branches[index].steps)))
        self._branches[index].steps.append(step)

    def _draw_step(self, max_branches: int) -> None:
        chooser, operations = self._chooser, self._operations
        index = chooser.pick([index for index, each in enumerate(self._branches) if each.is_open])
        branch = self._branches[index]
        kinds = ["text", "gen", "gen", "select", "samples", "score"]
        kinds += ["refs"] * 2 if self._values else []
        kinds += ["fork"] * 2 if len(self._branches) < max_branches else []
        kinds += ["join"] * 2 if branch.open_children else []
        match chooser.pick(kinds):
            case "text":
                self._add(index, operations.text())
            case "gen":
                self._values.append(Ref(index, len(branch.steps)))
                self._add(index, operations.gen())
            case "samples":
                self._add(index, operations.gen(n=2))
            case "select":
                self._values.append(Ref(index, len(branch.steps)))
                self._add(index, operations.select())
            case "score":
                self._add(index, operations.score())
            case "refs":
                known = [chooser.pick(self._values) for _ in range(chooser.integer(1, 2))]
                self._add(index, Template((" (", *known, ")")))
            case "fork":
                self._fork(index)
            case "join":
                self._join(index)

    def _fork(self, index: int) -> None:
        first = len(self._branches)
        children = tuple(range(first, first + self._chooser.integer(1, 3)))
        self._add(index, Branching(children))
        self._branches += [DrawnBranch(index) for _ in children]
        self._branches[index].open_children += children

    def _join(self, index: int) -> None:
        branch = self._branches[index]
        mode = "gather_variable" if self._chooser.chance(50) else "concate_and_append"
        self._add(index, Joining(tuple(branch.open_children), mode))  # type: ignore[arg-type] # one of two literals
        for child in branch.open_children:
            self._branches[child].is_open = False
        branch.open_children = []

"""Random plans that can run, each with one order in which its steps can be run one by one."""

from dataclasses import dataclass, field

from engine_harness import gen, tokens
from hypothesis import strategies as st

from palmette.grammar.spec import Regex
from palmette.lang.ir import Gen, Score, Select, Text
from palmette.lang.plan import Branching, Joining, Plan, PlanBranch, Ref, Step, Template

METHODS = ("token_length_normalized", "greedy_token_selection", "unconditional_likelihood_normalized")


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
    branches = [DrawnBranch(None) for _ in range(draw(st.integers(1, 2), "num_roots"))]
    order: list[Ref] = []
    values: list[Ref] = []

    def add(index: int, step: Step) -> None:
        order.append(Ref(index, len(branches[index].steps)))
        branches[index].steps.append(step)

    for index in range(len(branches)):
        add(index, tokens(*draw(st.lists(st.integers(1, 3), min_size=1, max_size=8), "prompt")))
    for _ in range(draw(st.integers(1, max_steps), "num_steps")):
        index = draw(st.sampled_from([i for i, branch in enumerate(branches) if branch.is_open]), "branch")
        branch = branches[index]
        kinds = ["text", "gen", "gen", "select", "samples", "score"]
        kinds += ["refs"] * 2 if values else []
        kinds += ["fork"] * 2 if len(branches) < max_branches else []
        kinds += ["join"] * 2 if branch.open_children else []
        match draw(st.sampled_from(kinds), "kind"):
            case "text":
                add(index, Text(draw(st.sampled_from([" and so", ".\n", " one two three", "", "<|im_end|>"]))))
            case "gen":
                values.append(Ref(index, len(branch.steps)))
                add(index, draw(generations))
            case "samples":
                add(index, gen(draw(st.integers(1, 4)), name="y", n=2, temperature=1.0))
            case "select":
                values.append(Ref(index, len(branch.steps)))
                add(index, Select("z", (" yes", " no", " nobody"), draw(st.sampled_from(METHODS))))  # type: ignore[arg-type]
            case "score":
                add(index, Score("s", " one two"))
            case "refs":
                known = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2), "refs")
                add(index, Template((" (", *known, ")")))
            case "fork":
                children = range(len(branches), len(branches) + draw(st.integers(1, 3), "num_children"))
                add(index, Branching(tuple(children)))
                branches += [DrawnBranch(index) for _ in children]
                branch.open_children += children
            case "join":
                mode = draw(st.sampled_from(["gather_variable", "concate_and_append"]), "mode")
                add(index, Joining(tuple(branch.open_children), mode))  # type: ignore[arg-type]
                for child in branch.open_children:
                    branches[child].is_open = False
                branch.open_children = []
    return DrawnPlan(
        Plan(
            "random", (), tuple(PlanBranch(f"b{i}", each.parent, tuple(each.steps)) for i, each in enumerate(branches))
        ),
        tuple(order),
    )


generations: st.SearchStrategy[Gen] = st.builds(
    lambda length, temperature, constraint: Gen("x", gen(length, temperature=temperature).params, constraint),
    st.integers(1, 5),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([None, None, None, Regex("[a-f]{1,3}")]),
)

"""Plans are data: equal where the same, frozen, JSON there and back, and closed by binding what is open."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_plans import DrawnPlan, random_plans

import palmette as pm
from palmette.grammar.spec import JsonSchema
from palmette.lang.ir import DeclareTools, Gen, RoleBegin, RoleEnd, Text, Tokens, Tool
from palmette.lang.plan import (
    PLAN_VERSION,
    Arg,
    Branching,
    Joining,
    Plan,
    PlanBranch,
    Ref,
    Template,
    refs_of,
)
from palmette.lang.sampling_params import SamplingParams


@st.composite
def open_plans(draw: st.DrawFn) -> Plan:
    """A random plan with texts before it in which arguments are open."""
    drawn: DrawnPlan = draw(random_plans())
    names = draw(st.lists(st.sampled_from(["topic", "style", "n"]), unique=True))
    part = st.one_of(st.text(max_size=3), *[st.builds(Arg, st.just(name)) for name in names])
    templates = draw(st.lists(st.builds(Template, st.lists(part, max_size=3).map(tuple), st.booleans()), max_size=3))
    branch = PlanBranch("first", None, tuple(templates))
    return Plan("random", tuple(names), (*drawn.plan.branches, branch))


@settings(max_examples=40)
@given(open_plans())
def test_json_there_and_back(plan: Plan) -> None:
    text = plan.to_json()
    assert Plan.from_json(text) == plan == Plan.from_json(text.encode())
    assert Plan.from_json(text).to_json() == text
    assert json.loads(text)["version"] == PLAN_VERSION


@settings(max_examples=40)
@given(open_plans())
def test_binding_closes_it_and_changes_nothing_else(plan: Plan) -> None:
    bound = plan.bind({name: f"<{name}>" for name in plan.parameters})
    assert bound.parameters == ()
    assert len(bound.branches) == len(plan.branches)
    for old, new in zip(plan.branches, bound.branches, strict=True):
        assert (new.label, new.parent, len(new.steps)) == (old.label, old.parent, len(old.steps))
        for step, closed in zip(old.steps, new.steps, strict=True):
            if not isinstance(step, Template):
                assert closed == step
                continue
            assert refs_of(closed) == refs_of(step)
            assert shown(closed) == shown(step)
            if not refs_of(step):
                assert isinstance(closed, Text)
    assert bound.bind({}) == bound


def shown(step: object) -> str:
    if isinstance(step, Text):
        return step.text
    assert isinstance(step, Template)
    return "".join(f"<{part.name}>" if isinstance(part, Arg) else str(part) for part in step.parts)


@settings(max_examples=40)
@given(random_plans())
def test_every_plan_can_be_drawn(drawn: DrawnPlan) -> None:
    plan = drawn.plan
    lines = str(plan).splitlines()
    num_roots = sum(branch.parent is None for branch in plan.branches)
    num_headings = len(plan.branches) if num_roots > 1 else len(plan.branches) - 1
    assert len(lines) == 1 + num_headings + sum(len(branch.steps) for branch in plan.branches)


def small(*steps: object, parameters: tuple[str, ...] = ()) -> Plan:
    return Plan("small", parameters, (PlanBranch("main", None, steps),))  # type: ignore[arg-type]  # any steps


def test_equal_where_the_same() -> None:
    gen = Gen("x", SamplingParams(max_new_tokens=3), JsonSchema('{"type": "integer"}'))
    assert small(Text("a"), gen) == small(Text("a"), gen)
    for other in (
        small(Text("b"), gen),
        small(Text("a", has_special=True), gen),
        small(Text("a"), msgspec.structs.replace(gen, params=SamplingParams(max_new_tokens=4))),
        small(Text("a"), gen, parameters=("topic",)),
        small(gen, Text("a")),
    ):
        assert other != small(Text("a"), gen)


def test_a_plan_is_frozen() -> None:
    with pytest.raises(AttributeError):
        small(Text("a")).name = "other"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"name": "x", "parameters": [], "branches": [{"label": "main", "parent": null, "steps": [{"type": "run"}]}]}',
        '{"name": 3, "parameters": [], "branches": []}',
    ],
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(pm.InvalidArgument, match="plan: expected the JSON text of a plan"):
        Plan.from_json(text)


def test_a_plan_of_another_version_is_refused() -> None:
    text = json.dumps({**json.loads(small(Text("a")).to_json()), "version": PLAN_VERSION + 1})
    with pytest.raises(pm.InvalidArgument, match=f"a plan of version {PLAN_VERSION}.*trace the program again"):
        Plan.from_json(text)


def test_binding_needs_every_argument_and_no_other() -> None:
    plan = small(Template(("a ", Arg("n"), " b ", Arg("topic"))), parameters=("n", "topic"))
    assert plan.bind({"n": 3, "topic": "tea"}).branches[0].steps == (Text("a 3 b tea"),)
    with pytest.raises(pm.InvalidArgument, match=r"missing: \['topic'\]"):
        plan.bind({"n": 3})
    with pytest.raises(pm.InvalidArgument, match=r"unknown: \['mood'\]"):
        plan.bind({"n": 3, "topic": "tea", "mood": "kind"})


def test_the_constant_prefix_ends_at_the_first_value_or_argument() -> None:
    tools = DeclareTools((Tool("look", "Looks.", "{}"),))
    role = RoleBegin("user")
    constants = (tools, Tokens((1, 2)), role, Text("Hello"), RoleEnd("user"))
    assert small(*constants).constant_prefix() == constants
    assert small(*constants, Gen("x"), Text("more")).constant_prefix() == constants
    assert small(role, Template(("known ", Arg("n"), " more"))).constant_prefix() == (role, Text("known "))
    assert small(role, Template((Arg("n"), " more"), has_special=True), Text("a")).constant_prefix() == (role,)
    assert small(Text("a"), Branching((1,)), Text("b")).constant_prefix() == (Text("a"),)
    assert small(Gen("x")).constant_prefix() == ()


def test_the_constant_prefix_of_a_program_is_that_of_all_its_runs() -> None:
    @pm.function
    def program(s, question):
        s += "Answer in a word. "
        s += f"Question: {question}\nAnswer:" + pm.gen("x")

    prefix = program.plan().constant_prefix()
    assert prefix == (Text("Answer in a word. ", has_special=True), Text("Question: ", has_special=True))
    for question in ("who?", "why?"):
        steps = program.plan(question).branches[0].steps
        assert "".join(step.text for step in steps if isinstance(step, Text)).startswith(
            "".join(step.text for step in prefix if isinstance(step, Text))
        )


def test_a_drawing_names_values_and_arguments_where_they_are_used() -> None:
    plan = Plan(
        "tree",
        ("topic",),
        (
            PlanBranch(
                "main",
                None,
                (
                    Template(("About ", Arg("topic"), " {braces}")),
                    Gen("a"),
                    Branching((1, 2)),
                    Joining((1, 2), "gather_variable"),
                    Template(("sum ", Ref(0, 1), Ref(2, 0))),
                ),
            ),
            PlanBranch("main.0[0]", 0, (Gen("b"), Template((Ref(0, 1), Ref(1, 0))))),
            PlanBranch("main.0[1]", 0, (Gen("c", SamplingParams(n=2)),)),
        ),
    )
    assert str(plan).splitlines() == [
        "tree(topic)",
        '├─ text "About {topic} {{braces}}"',
        "├─ gen a · at most 128 tokens",
        "├─ fork into 2",
        "│  ├─ main.0[0]",
        "│  │  ├─ gen b · at most 128 tokens",
        '│  │  └─ text "{a}{b}"',
        "│  └─ main.0[1]",
        "│     └─ gen c · at most 128 tokens · 2 samples",
        "├─ join main.0[0], main.0[1] (variables)",
        '└─ text "sum {a}{main.0[1]: c}"',
    ]

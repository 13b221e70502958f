"""Plans of several shapes: how they are drawn, and what they take at worst."""

from hypothesis import given
from hypothesis import strategies as st

from palmette.grammar.spec import (
    Any,
    Choice,
    Ebnf,
    JsonSchema,
    Lark,
    Reasoned,
    Regex,
    StructuralTag,
    Tag,
    ToolCalls,
    ToolSpec,
)
from palmette.lang.ir import Gen, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from palmette.lang.plan import Arg, Branching, Joining, Plan, PlanBranch, Ref, Step, Template
from palmette.lang.plans.operation_summary import operation_words, quoted, shortened
from palmette.lang.plans.plan_cost import PlanCost, StepCost, explain_plan
from palmette.lang.sampling_params import SamplingParams


def gen(name: str, max_new_tokens: int, **params: object) -> Gen:
    return Gen(name, SamplingParams(max_new_tokens=max_new_tokens, **params))


def plan_of(*branches: tuple[int | None, tuple[Step, ...]], parameters: tuple[str, ...] = ()) -> Plan:
    labels = ["main", *(f"b{index}" for index in range(1, len(branches)))]
    return Plan(
        "p",
        parameters,
        tuple(PlanBranch(label, parent, steps) for label, (parent, steps) in zip(labels, branches, strict=True)),
    )


JUDGE = plan_of(
    (
        None,
        (
            RoleBegin("user"),
            Template(("Judge: ", Arg("essay"))),
            RoleEnd("user"),
            Branching((1, 2)),
            Joining((1, 2), "concate_and_append"),
            Template(("{so} ", Ref(1, 1))),
            gen("summary", 20, temperature=0, stop=("\n",)),
            Select("grade", ("A", "B")),
            Score("score", "!"),
        ),
    ),
    (0, (Text("On clarity:"), gen("clarity", 30))),
    (0, (Text("On style:"), gen("style", 5), Branching((3,)), Joining((3,), "gather_variable"), gen("more", 6))),
    (2, (gen("deep", 50, n=2),)),
    parameters=("essay",),
)


def test_a_tree_in_a_tree() -> None:
    assert str(JUDGE).splitlines() == [
        "p(essay)",
        "├─ role begin user",
        '├─ text "Judge: {essay}"',
        "├─ role end user",
        "├─ fork into 2",
        "│  ├─ b1",
        '│  │  ├─ text "On clarity:"',
        "│  │  └─ gen clarity · at most 30 tokens",
        "│  └─ b2",
        '│     ├─ text "On style:"',
        "│     ├─ gen style · at most 5 tokens",
        "│     ├─ fork into 1",
        "│     │  └─ b3",
        "│     │     └─ gen deep · at most 50 tokens · 2 samples",
        "│     ├─ join b3 (variables)",
        "│     └─ gen more · at most 6 tokens",
        "├─ join b1, b2 (texts)",
        '├─ text "{{so}} {b1: step 1}"'.replace("step 1", "clarity"),
        '├─ gen summary · at most 20 tokens · stop "\\n" · temperature 0',
        '├─ select grade · one of "A", "B"',
        '└─ score score · "!"',
    ]


def test_joined_texts_are_waited_for_and_gathered_variables_are_not() -> None:
    cost = PlanCost.of(JUDGE, len)
    assert cost.steps[2, 4].done_by == 5 + 6, "gathering does not wait for the 50 passes of b3"
    assert cost.steps[3, 0] == StepCost(0, 100, 55)
    assert cost.steps[0, 4].done_by == 30, "the longer of b1 and b2"
    assert cost.steps[0, 8].done_by == 30 + 20 + 1 + 1
    assert cost.num_passes == 55
    assert cost.max_new_len == 30 + 5 + 100 + 6 + 20
    assert not cost.is_exact, "roles and the argument are not known"
    assert cost.shared == {(0, 3): None, (2, 2): None}


def test_what_branches_share_is_known_where_the_text_before_is() -> None:
    plan = plan_of(
        (None, (Text("12345"), Tokens((7, 8)), gen("x", 3), Branching((1, 2)))), (0, (Text("1"),)), (0, (Text("22"),))
    )
    cost = PlanCost.of(plan, len)
    assert cost.shared == {(0, 3): 7}
    assert (cost.known_len, cost.is_exact, cost.num_passes) == (10, True, 3)
    assert "fork into 2, which share 7 known tokens" in explain_plan(plan, len)
    unknown = explain_plan(plan, None)
    assert "fork into 2, which share all the text so far" in unknown
    assert "at least 2 known tokens, at most 3 new ones" in unknown


def test_several_roots_are_drawn_side_by_side() -> None:
    plan = plan_of((None, (gen("x", 3),)), (None, (gen("y", 4),)))
    assert str(plan).splitlines() == [
        "p()",
        "├─ main",
        "│  └─ gen x · at most 3 tokens",
        "└─ b1",
        "   └─ gen y · at most 4 tokens",
    ]
    assert PlanCost.of(plan, len).num_passes == 4


def test_an_empty_plan_costs_nothing() -> None:
    cost = PlanCost.of(plan_of((None, ())), len)
    assert (cost.num_passes, cost.max_new_len, cost.known_len, cost.is_exact) == (0, 0, 0, True)
    assert "1 branch, 0 known tokens" in explain_plan(plan_of((None, ())), len)


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=4), min_size=1, max_size=5), st.integers(1, 50))
def test_side_by_side_costs_the_longest_and_one_after_another_the_sum(branches: list[list[int]], first: int) -> None:
    numbers = tuple(range(1, len(branches) + 1))
    root = (gen("first", first), Branching(numbers), Joining(numbers, "concate_and_append"), gen("last", 1))
    children = ((0, tuple(gen("x", each) for each in lens)) for lens in branches)
    cost = PlanCost.of(plan_of((None, root), *children), len)
    assert cost.num_passes == first + max(map(sum, branches)) + 1
    assert cost.max_new_len == first + sum(map(sum, branches)) + 1
    last = plan_of((None, (*root[:2], Template((Ref(1, 0),)), gen("last", 1))), *((0, tuple(
        gen("x", each) for each in lens)) for lens in branches))  # fmt: skip
    done_by = PlanCost.of(last, len).steps[0, 3].done_by
    assert done_by == first + branches[0][0] + 1, "it waits for the value it needs, and for no other"


def test_constraints_are_named_in_a_few_words() -> None:
    params = SamplingParams(max_new_tokens=9, top_p=0.5, ignore_eos=True, stop_regex=("a+",), logit_bias={3: 1.5})
    words = {
        Regex("[0-9]+"): "regex [0-9]+",
        JsonSchema('{"title": "Pet"}'): "JSON of Pet",
        JsonSchema('{"properties": {"a": {}, "b": {}}}'): "JSON of {a, b}",
        JsonSchema('{"type": "object"}'): 'JSON of {"type": "object"}',
        Choice(("yes", "no")): 'one of "yes", "no"',
        Ebnf('root ::= "a" b\nb ::= "c"'): "grammar root (2 rules)",
        Lark('start: "a"'): 'Lark grammar start: "a"',
        Any(): "any text",
        Reasoned(Regex("a")): "reasoning, then regex a",
        StructuralTag((Tag("<a>", Any(), "</a>"), Tag("<b>", Any(), "</b>"))): "text with <a>, <b>",
        ToolCalls((ToolSpec("f", "{}"), ToolSpec("g", "{}"))): "calls, or none, of f, g (hermes)",
        ToolCalls((ToolSpec("f", "{}"), ToolSpec("g", "{}")), "llama3", "required", ("g",)): "a call of g (llama3)",
    }
    for constraint, expected in words.items():
        assert operation_words(Gen("x", params, constraint)) == (
            f'x · {expected} · at most 9 tokens · stop at regex a+ · top p 0.5 · logit bias {{"3": 1.5}} · ignore eos'
        )
    assert operation_words(gen("#1", 5)) == "(unnamed) · at most 5 tokens"
    assert operation_words(Tokens((1, 2))) == "2 token ids"
    many = operation_words(Select("s", tuple(f"choice number {number}" for number in range(99)), temperature=0.5))
    assert many.startswith('s · one of 99: "choice number 0"')
    assert many.endswith("… · temperature 0.5")


@given(st.text(max_size=200), st.integers(4, 60))
def test_long_text_is_shortened_in_the_middle(text: str, max_len: int) -> None:
    short = shortened(text, max_len)
    assert len(short) <= max_len or short == text
    if len(text) > max_len:
        begin, end = short.rsplit("…", 1) if short.count("…") == 1 else (text[:1], text[-1:])
        assert text.startswith(begin)
        assert text.endswith(end)
    assert "\n" not in quoted(text, max_len)

"""Plans drawn as trees, and what they take at worst."""

import palmette as pm
from palmette.lang.plans.plan_cost import PlanCost, explain_plan


@pm.function
def program(s, question):
    s += "Answer. " + question + "\n"
    s += pm.gen("answer", max_tokens=10, regex="[a-z]+")
    with s.fork(2) as branches:
        branches[0] += f"{s['answer']}?" + pm.gen("short", max_tokens=3)
        branches[1] += f"{s['answer']}!" + pm.gen("long", max_tokens=7, temperature=0)
    s += pm.select("sure", ["yes", "no"])
    s += f"{branches[1]['long']}" + pm.gen("end", max_tokens=5)


def test_the_tree() -> None:
    assert str(program.plan("Why?")).splitlines() == [
        "program()",
        '├─ text "Answer. Why?\\n"',
        "├─ gen answer · regex [a-z]+ · at most 10 tokens",
        "├─ fork into 2",
        "│  ├─ main.0[0]",
        '│  │  ├─ text "{answer}?"',
        "│  │  └─ gen short · at most 3 tokens",
        "│  └─ main.0[1]",
        '│     ├─ text "{answer}!"',
        "│     └─ gen long · at most 7 tokens · temperature 0",
        "├─ join main.0[0], main.0[1] (variables)",
        '├─ select sure · one of "yes", "no"',
        '├─ text "{main.0[1]: long}"',
        "└─ gen end · at most 5 tokens",
    ]
    assert str(program.plan()).splitlines()[0] == "program(question)"


def test_the_worst_case_counts_the_longest_chain_of_passes() -> None:
    cost = PlanCost.of(program.plan("Why?"), len)
    assert cost.max_new_len == 10 + 3 + 7 + 5
    assert cost.num_passes == 10 + 7 + 5, "the select is done while the long branch runs"
    assert cost.is_exact
    assert cost.known_len == len("Answer. Why?\n") + len("?") + len("!")
    unknown = PlanCost.of(program.plan(), None)
    assert not unknown.is_exact
    assert unknown.num_passes == cost.num_passes


def test_the_explanation_says_it_all() -> None:
    text = explain_plan(program.plan("Why?"), len)
    assert "3 branches" in text
    assert "at most 25 new ones, at most 22 forward passes" in text
    assert "?: only" not in text
    assert "?: only" in program.explain()

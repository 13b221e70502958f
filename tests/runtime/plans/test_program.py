"""Plans inside the engine: the same answers as step by step, no step in vain, and every end told once."""

from collections.abc import Sequence

import pytest
from engine_harness import COMPILER, VOCAB_SIZE, Harness, Listening, PlanListening, gen, oracle, tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from random_plans import DrawnPlan, random_plans

from palmette.grammar.errors import GrammarError
from palmette.grammar.spec import Regex
from palmette.lang.events import Closing, Event, Forked, ScoreResult, SelectResult, TextDelta, ValueReady
from palmette.lang.ir import Fork, Gen, Join, Operation, RoleBegin, RoleEnd, Score, Select, Text
from palmette.lang.plan import Arg, Branching, Joining, Plan, PlanBranch, Ref, Step, Template
from palmette.runtime.errors import (
    BranchClosed,
    DependencyFailed,
    EmptyPrompt,
    EngineClosed,
    InvalidRequest,
    RequestCancelled,
    StepFailed,
)
from palmette.runtime.plans.plan_check import check_plan
from palmette.runtime.plans.plan_request import PlanItem, PlanRequest

PROMPT = tokens(5, 17, 300, 42, 99)


def plan_of(*branches: tuple[int | None, Sequence[Step]]) -> Plan:
    """A plan of (parent, steps)."""
    return Plan(
        "test",
        (),
        tuple(PlanBranch(f"b{index}", parent, tuple(steps)) for index, (parent, steps) in enumerate(branches)),
    )


def run(plan: Plan, harness: Harness | None = None) -> PlanListening:
    harness = harness or Harness()
    listening = harness.start_plan(plan)
    harness.run()
    assert listening.is_done
    return listening


def facts(event: ValueReady) -> object:
    """What of a value must not depend on how the program is run."""
    match event.result:
        case SelectResult() as result:
            return result.choice, [round(each, 3) for each in result.logprobs]
        case ScoreResult() as result:
            return round(result.logprob, 3)
        case results:
            return [(each.token_ids, each.finish_reason, each.text) for each in results]


class Eager:
    """Runs a plan one step after another, each a request of its own, on a machine with room for all."""

    def __init__(self, drawn: DrawnPlan, seed: int) -> None:
        self.harness = Harness()
        self.plan = drawn.plan
        self.branch_ids: dict[int, int] = {}
        self.texts: dict[Ref, str] = {}
        self.values: dict[Ref, object] = {}
        self.text: dict[int, str] = dict.fromkeys(range(len(drawn.plan.branches)), "")
        for index, branch in enumerate(drawn.plan.branches):
            if branch.parent is None:
                self.branch_ids[index] = self.harness.core.open_branch(seed, "")
        for place in drawn.order:
            self._run(place, drawn.plan.branches[place.branch].steps[place.step])

    def _run(self, place: Ref, step: Step) -> None:
        match step:
            case Joining(children=children, mode="gather_variable"):
                self._close(children)
            case Joining(children=children):
                self._submit(place, Join(tuple(self.branch_ids[child] for child in children)))
                self._close(children)
            case Branching(children=children):
                listening = self._submit(place, Fork(len(children)))
                (forked,) = (event for event in listening.events if isinstance(event, Forked))
                self.branch_ids.update(zip(children, forked.branch_ids, strict=True))
            case Template(parts=parts):
                self._submit(place, Text("".join(self.texts[p] if isinstance(p, Ref) else str(p) for p in parts)))
            case _:
                self._submit(place, step)

    def _submit(self, place: Ref, operation: Operation) -> Listening:
        listening = self.harness.submit(self.branch_ids[place.branch], [operation])
        self.harness.run()
        assert listening.error is None, listening.error
        self.text[place.branch] += listening.text
        for event in listening.events:
            if isinstance(event, ValueReady):
                self.values[place] = facts(event)
                if isinstance(event.result, SelectResult):
                    self.texts[place] = event.result.choice
                elif isinstance(event.result, tuple):
                    self.texts[place] = event.result[0].text
        return listening

    def _close(self, children: Sequence[int]) -> None:
        for child in children:
            self.harness.core.close_branch(self.branch_ids[child])


# --- as step by step


@settings(max_examples=70, deadline=None)
@given(data=st.data())
def test_a_plan_equals_its_steps_run_one_by_one(data: st.DataObject) -> None:
    harness = Harness(
        page_size=data.draw(st.sampled_from([2, 4]), "page_size"),
        num_pages=data.draw(st.integers(160, 240), "num_pages"),
        token_budget=data.draw(st.integers(1, 40), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 8), "max_running_rows"),
        is_caching=data.draw(st.booleans(), "is_caching"),
    )
    drawn = [data.draw(random_plans(), "plan") for _ in range(data.draw(st.integers(1, 2), "num_plans"))]
    is_streaming = data.draw(st.booleans(), "is_streaming")
    running = [harness.start_plan(each.plan, seed=seed, is_streaming=is_streaming) for seed, each in enumerate(drawn)]
    harness.run()
    for seed, (each, listening) in enumerate(zip(drawn, running, strict=True)):
        assert listening.errors == {}
        eager = Eager(each, seed)
        assert {place: facts(event) for place, event in listening.values().items()} == eager.values
        assert {index: listening.text(index) for index in eager.text} == eager.text
        joined = {
            child
            for branch in each.plan.branches
            for step in branch.steps
            if isinstance(step, Joining)
            for child in step.children
        }
        for index, branch_id in listening.branch_ids.items():
            if index not in joined:
                harness.core.close_branch(branch_id)
    harness.check_all_returned()


@settings(max_examples=40, deadline=None)
@given(drawn=random_plans(), num_steps=st.integers(0, 25), is_streaming=st.booleans())
def test_cancelling_at_any_step_ends_every_branch_once_and_returns_all_memory(
    drawn: DrawnPlan, num_steps: int, is_streaming: bool
) -> None:
    harness = Harness(page_size=2, token_budget=8)
    listening = harness.start_plan(drawn.plan, is_streaming=is_streaming)
    for _ in range(num_steps):
        harness.core.step()
    harness.core.cancel_plan(listening.program)
    harness.core.check_integrity()
    assert not harness.core.has_work
    assert all(isinstance(error, RequestCancelled) for error in listening.errors.values())
    harness.core.cancel_plan(listening.program)
    harness.check_all_returned()


@settings(max_examples=40, deadline=None)
@given(drawn=random_plans(), num_steps=st.integers(0, 15), other=random_plans())
def test_a_pass_that_fails_ends_what_depends_on_it_and_the_plan_still_ends(
    drawn: DrawnPlan, num_steps: int, other: DrawnPlan
) -> None:
    harness = Harness(token_budget=16)
    listening = harness.start_plan(drawn.plan)
    for _ in range(num_steps):
        harness.core.step()
    harness.model.failures.append(RuntimeError("the device is on fire"))
    harness.core.step()
    harness.model.failures.clear()
    late = harness.start_plan(other.plan)
    harness.run()
    assert late.errors == {}
    for index, error in listening.errors.items():
        assert isinstance(error, StepFailed | DependencyFailed), (index, error)
    harness.core.cancel_plan(late.program)
    harness.core.cancel_plan(listening.program)
    harness.check_all_returned()


# --- no step in vain


def test_a_chain_of_generations_takes_no_more_steps_than_one() -> None:
    chain: list[Step] = [PROMPT]
    for number in range(5):
        chain += [gen(4, name=f"x{number}"), Text(" and then")]
    harness = Harness()
    run(plan_of((None, [*chain, gen(4)])), harness)
    assert harness.core.num_steps == 6 * 4


def test_text_made_of_a_value_follows_it_in_the_very_next_step() -> None:
    steps: list[Step] = [PROMPT, gen(3), Template((" ", Ref(0, 1), " again: ")), gen(3, name="y")]
    steps += [Template((Ref(0, 1), Ref(0, 3))), Select("z", (" a", " b"))]
    harness = Harness()
    run(plan_of((None, steps)), harness)
    assert harness.core.num_steps == 3 + 3 + 1


def test_children_start_in_the_step_after_the_fork_and_a_value_wakes_who_waits_for_it() -> None:
    harness = Harness()
    listening = run(
        plan_of(
            (None, [PROMPT, gen(3), Branching((1, 2)), gen(2, name="mine")]),
            (0, [gen(6)]),
            (0, [gen(1), Template((" so ", Ref(1, 0))), gen(2, name="y")]),
        ),
        harness,
    )
    assert harness.core.num_steps == 3 + 6 + 2
    assert listening.errors == {}


def test_a_join_goes_on_in_the_step_after_its_last_child() -> None:
    harness = Harness()
    listening = run(
        plan_of(
            (None, [PROMPT, gen(3), Branching((1, 2)), Joining((1, 2), "concate_and_append"), gen(2)]),
            (0, [gen(2, name="a")]),
            (0, [gen(4, name="b")]),
        ),
        harness,
    )
    assert harness.core.num_steps == 3 + 4 + 2
    assert listening.text(0).count(listening.text(1) + listening.text(2)) == 1
    assert [branch.branch_id for branch in harness.core.branches.all()] == [listening.branch_ids[0]]


def test_gathered_children_are_closed_when_they_end_and_their_parent_does_not_wait() -> None:
    harness = Harness()
    listening = harness.start_plan(
        plan_of(
            (None, [PROMPT, gen(3), Branching((1, 2)), Joining((1, 2), "gather_variable"), gen(2)]),
            (0, [gen(1, name="a")]),
            (0, [gen(6, name="b")]),
        )
    )
    for _ in range(3 + 2):
        harness.core.step()
    assert set(listening.ended) == {0, 1}
    assert len(list(harness.core.branches.all())) == 2
    harness.run()
    assert [branch.branch_id for branch in harness.core.branches.all()] == [listening.branch_ids[0]]


def test_children_that_have_ended_before_they_are_gathered_are_closed_too() -> None:
    harness = Harness()
    steps: list[Step] = [PROMPT, Branching((1,)), gen(3), Template((Ref(0, 2),)), Joining((1,), "gather_variable")]
    listening = run(plan_of((None, [*steps, gen(1)]), (0, [Text("x")])), harness)
    assert [branch.branch_id for branch in harness.core.branches.all()] == [listening.branch_ids[0]]


def test_a_program_that_has_begun_keeps_its_place() -> None:
    harness = Harness(num_pages=8, page_size=4)
    first = harness.start_plan(plan_of((None, [tokens(1, 2, 3), gen(2), Template((Ref(0, 1),)), gen(12, name="y")])))
    harness.core.step()
    later = harness.submit(harness.core.open_branch(1, ""), [tokens(*range(50, 62)), gen(12)])
    for _ in range(1 + 12):
        assert not first.is_done
        harness.core.step()
    assert first.errors == {}
    assert later.ended is None
    harness.run()
    assert later.error is None


# --- live roots


def test_plans_go_on_with_live_branches_and_hand_them_back() -> None:
    harness = Harness()
    root = harness.core.open_branch(3, "")
    harness.submit(root, [PROMPT])
    listening = harness.start_plan(plan_of((None, [gen(3), Branching((1,))]), (0, [gen(2)])), {0: root})
    harness.run()
    assert listening.errors == {}
    assert set(listening.branch_ids) == {1}
    after = harness.submit(root, [gen(2, name="y")])
    child_after = harness.submit(listening.branch_ids[1], [gen(1, name="z")])
    harness.run()
    written = [*listening.token_ids(0, 0), *after.token_ids("y")]
    assert tuple(written) == oracle(PROMPT.token_ids, gen(5).params, seed=3)
    assert child_after.error is None
    harness.core.cancel_plan(listening.program)
    assert [branch.branch_id for branch in harness.core.branches.all()] == [root]


def test_children_that_were_forked_before_the_plan_are_joined_by_it() -> None:
    harness = Harness()
    root = harness.core.open_branch(3, "")
    forked = harness.submit(root, [PROMPT, Fork(2)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    plan = plan_of(
        (None, [Joining((1, 2), "concate_and_append"), gen(2)]), (None, [Text(" one")]), (None, [gen(2, name="a")])
    )
    listening = harness.start_plan(plan, {0: root, 1: event.branch_ids[0], 2: event.branch_ids[1]})
    harness.run()
    assert listening.errors == {}
    assert listening.text(0).startswith(" one" + listening.text(2))
    assert [branch.branch_id for branch in harness.core.branches.all()] == [root]


def test_a_root_that_was_closed_fails_and_the_others_go_on() -> None:
    harness = Harness()
    root = harness.core.open_branch(3, "")
    harness.core.close_branch(root)
    listening = harness.start_plan(plan_of((None, [PROMPT, gen(1)]), (None, [PROMPT, gen(1)])), {0: root})
    harness.run()
    assert {index: type(error) for index, error in listening.errors.items()} == {0: BranchClosed}


# --- what is told


def heard(plan: Plan, *, is_streaming: bool) -> list[tuple[int, Event]]:
    harness = Harness()
    listening = harness.start_plan(plan, is_streaming=is_streaming)
    harness.run()
    assert listening.errors == {}
    return [(index, event) for index, events in listening.events.items() for event in events]


def test_text_comes_in_one_piece_with_its_value_unless_it_is_streamed() -> None:
    plan = plan_of((None, [PROMPT, gen(6), Text("!"), gen(3, name="y"), Branching((1,))]), (0, [gen(4, name="z")]))
    pieces = [event for _, event in heard(plan, is_streaming=False) if isinstance(event, TextDelta) and event.name]
    streamed = [event for _, event in heard(plan, is_streaming=True) if isinstance(event, TextDelta) and event.name]
    assert [piece.name for piece in pieces] == ["x", "y", "z"]
    assert len(streamed) > 3
    for piece in pieces:
        parts = [each for each in streamed if each.name == piece.name]
        assert piece.text == "".join(each.text for each in parts)
        assert piece.token_ids == tuple(token_id for each in parts for token_id in each.token_ids)


def test_all_of_one_step_comes_at_once_and_nothing_comes_for_nothing() -> None:
    harness = Harness()
    steps: list[Step] = [PROMPT, gen(4), Branching((1, 2, 3))]
    listening = run(plan_of((None, steps), *[(0, [gen(3)])] * 3), harness)
    assert len(listening.batches) == 2  # the root has its value and forks; the children have theirs
    assert [index for index, _ in listening.batches[-1]].count(3) == 4  # open, text, value, end


def test_a_turn_that_stays_ended_is_announced_once() -> None:
    turn: list[Step] = [RoleBegin("user"), Text("Hi"), RoleEnd("user"), RoleBegin("assistant"), gen(3)]
    turn += [RoleEnd("assistant"), RoleBegin("user"), Template(("You said ", Ref(0, 4))), RoleEnd("user")]
    events = run(plan_of((None, turn))).events[0]
    assert [isinstance(event, Closing) for event in events].count(True) == 1
    assert isinstance(events[-1], Closing)
    events = run(plan_of((None, [*turn[:6], Template((Ref(0, 4),))]))).events[0]
    assert not any(isinstance(event, Closing) for event in events), "text follows the turn"
    events = run(
        plan_of((None, [Text("."), Branching((1,)), *turn[:6], Joining((1,), "gather_variable")]), (0, [Text("x")]))
    ).events[0]
    assert isinstance(events[-1], Closing)


def test_a_listener_that_raises_loses_its_own_plan_only() -> None:
    harness = Harness()

    def deaf(items: list[PlanItem]) -> None:
        raise RuntimeError("nobody is here")

    harness.core.start_plan(PlanRequest(plan_of((None, [PROMPT, gen(5)])), {}, deaf))
    good = harness.start_plan(plan_of((None, [PROMPT, gen(3)])))
    harness.run()
    assert good.token_ids(0, 1) == oracle(PROMPT.token_ids, gen(3).params)
    assert len(list(harness.core.branches.all())) == 1


def test_the_engine_that_ends_tells_every_branch() -> None:
    harness = Harness()
    listening = harness.start_plan(
        plan_of((None, [PROMPT, gen(9), Branching((1,))]), (0, [gen(1)]), (None, [PROMPT, Template((Ref(1, 0),))]))
    )
    harness.core.step()
    harness.core.shut_down()
    errors = listening.errors
    assert isinstance(errors[0], EngineClosed)
    assert errors[1] is errors[0]
    assert isinstance(errors[2], DependencyFailed)


# --- what fails


def test_a_failure_reaches_what_would_be_forked_and_who_waits_and_nobody_else() -> None:
    listening = run(
        plan_of(
            (None, [PROMPT, Branching((1, 3)), gen(2), Select("w", (" a", " b"))]),
            (0, [Text(" one"), gen(2, logit_bias={VOCAB_SIZE: 1.0}), Branching((2,)), gen(1)]),
            (1, [gen(1, name="never")]),
            (0, [gen(1), Template((" ", Ref(1, 1))), gen(1, name="z")]),
            (None, [PROMPT, gen(1), Template((Ref(2, 0),)), gen(1, name="q")]),
        )
    )
    errors = listening.errors
    assert set(errors) == {1, 2, 3, 4}
    assert isinstance(errors[1], InvalidRequest)
    assert errors[2] is errors[1]
    assert {index: ended.operation_index for index, ended in listening.ended.items()} == {
        0: None,
        1: 1,
        2: None,
        3: 1,
        4: 2,
    }
    assert isinstance(errors[3], DependencyFailed)
    assert errors[3].__cause__ is errors[1]
    assert "'x'" in str(errors[3])
    assert "'b1'" in str(errors[3])
    assert errors[4].__cause__ is errors[1]
    assert "'never'" in str(errors[4])
    assert 2 not in listening.branch_ids


def test_who_joins_a_branch_that_failed_fails_with_it() -> None:
    listening = run(
        plan_of(
            (None, [Branching((1, 2)), Joining((1, 2), "concate_and_append"), Text("x")]),
            (0, [gen(1)]),
            (0, [PROMPT, gen(1)]),
        )
    )
    errors = listening.errors
    assert set(errors) == {0, 1}
    assert isinstance(errors[1], EmptyPrompt)
    assert errors[0].__cause__ is errors[1]
    assert listening.ended[0].operation_index == 1


def test_a_constraint_that_does_not_compile_ends_its_branch_where_it_stands() -> None:
    with pytest.raises(GrammarError) as caught:
        COMPILER.compile(Regex("("))
    plan = plan_of((None, [PROMPT, gen(2), Gen("bad", constraint=Regex("(")), Text("x")]), (None, [PROMPT, gen(1)]))
    harness = Harness()
    listening = harness.start_plan(plan, refused={Ref(0, 2): caught.value})
    harness.run()
    assert listening.errors == {0: caught.value}
    assert listening.ended[0].operation_index == 2
    assert len(listening.token_ids(0, 1)) == 2


def test_long_chains_of_failures_and_of_values_need_no_stack() -> None:
    num_branches = 1500
    first: list[Step] = [gen(1)]
    branches: list[tuple[int | None, list[Step]]] = [(None, first)]
    branches += [(None, [Template((Ref(index, 0 if index == 0 else 1),)), gen(1)]) for index in range(num_branches)]
    listening = run(plan_of(*branches))
    assert len(listening.errors) == len(branches)


@pytest.mark.parametrize(
    ("branches", "place", "why"),
    [
        ([(None, [PROMPT, Template((Ref(0, 2),)), gen(1)])], "step 1 of branch 0", "waits for this one"),
        (
            [
                (None, [PROMPT, Branching((1, 2)), Joining((1,), "concate_and_append"), gen(1)]),
                (0, [Template((Ref(2, 1),)), gen(1)]),
                (0, [Template((Ref(0, 3),)), gen(1)]),
            ],
            "of branch",
            "waits for this one",
        ),
        ([(None, [PROMPT, gen(1, n=2, temperature=1.0), Template((Ref(0, 1),))])], "step 2 of branch 0", "2 samples"),
        ([(None, [PROMPT, Score("s", "a"), Template((Ref(0, 1),))])], "step 2 of branch 0", "no value with a text"),
        ([(None, [PROMPT, Template((Ref(0, 7),))])], "step 1 of branch 0", "no such step"),
        ([(None, [PROMPT, Template((Ref(-1, 0),))])], "step 1 of branch 0", "no such step"),
        ([(None, [PROMPT, Template((Arg("x"),))])], "step 1 of branch 0", "bind"),
        ([(None, [Branching((1, 1))]), (0, [PROMPT])], "step 0 of branch 0", "a second time"),
        ([(None, [Branching((2,))]), (0, [PROMPT])], "step 0 of branch 0", "but there are 2"),
        ([(None, [Branching(())])], "step 0 of branch 0", "at least one child"),
        ([(None, [Branching((1,))]), (None, [PROMPT])], "step 0 of branch 0", "whose parent is None"),
        ([(None, [PROMPT]), (0, [PROMPT])], "branch 1", "no step forks"),
        ([(None, [PROMPT]), (1, [PROMPT])], "branch 1", "the parent"),
        ([(None, [Joining((1,), "gather_variable"), Branching((1,))]), (0, [PROMPT])], "step 0", "before it is forked"),
        ([], "plan 'test'", "at least one branch"),
    ],
)
def test_plans_that_cannot_run_are_refused(branches: list[tuple[int | None, list[Step]]], place: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_plan(plan_of(*branches), ())
    assert place in str(caught.value)
    assert why in str(caught.value)


def test_open_arguments_and_live_branches_for_what_is_no_root_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="bind"):
        check_plan(Plan("p", ("x",), (PlanBranch("b", None, ()),)), ())
    with pytest.raises(InvalidRequest, match="roots only"):
        check_plan(plan_of((None, [PROMPT, Branching((1,))]), (0, [])), {1: 5})


@given(random_plans())
def test_plans_that_can_run_are_not_refused(drawn: DrawnPlan) -> None:
    check_plan(drawn.plan, ())

"""Whole programs on a pool barely larger than the largest of them: every answer as on an ample one, no memory lost."""

from collections.abc import Sequence

import pytest
import torch
from engine_harness import TOKENIZER, Harness, Listening, gen, tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.spec import Regex
from palmette.lang.events import Event, Forked, ScoreResult, SelectResult, TextDelta, ValueReady
from palmette.lang.ir import Fork, Gen, Join, Operation, RoleBegin, RoleEnd, Score, Select, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.errors import InvalidRequest, RequestTooLong, StepFailed
from palmette.runtime.request import Ended, Request
from palmette.runtime.sampler import SampleRow, Sampling

METHODS = ("token_length_normalized", "greedy_token_selection", "unconditional_likelihood_normalized")

prompts = st.lists(st.integers(1, 3), min_size=1, max_size=12).map(lambda ids: tokens(*ids))
generations = st.builds(
    lambda length, n, temperature, scores: gen(
        length, n=n, temperature=temperature, return_logprob=scores, logprob_start_len=0 if scores else None
    ),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([0.0, 1.0]),
    st.booleans(),
)
selections = st.builds(
    lambda method: Select("x", (" yes", " no", " nobody"), method),  # type: ignore[arg-type]
    st.sampled_from(METHODS),
)
programs = st.lists(
    st.one_of(prompts, generations, selections, st.just(Text(" and so")), st.just(Score("x", " one two"))),
    max_size=3,
).flatmap(lambda rest: prompts.map(lambda first: [first, *rest]))


def heard(listening: Listening) -> list[object]:
    """What must not depend on the pool: text and values, without the counts of cached tokens."""
    answers: list[object] = [listening.text]
    for event in listening.events:
        match event:
            case ValueReady(result=SelectResult() as result):
                answers.append((result.choice, [round(each, 3) for each in result.logprobs]))
            case ValueReady(result=ScoreResult() as result):
                answers.append(round(result.logprob, 3))
            case ValueReady(result=tuple() as results):
                answers += [(each.token_ids, each.finish_reason, each.input_logprobs) for each in results]
    return answers


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_programs_on_a_tight_pool_answer_as_on_an_ample_one(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from([1, 2, 4]), "page_size")
    harness = Harness(
        page_size=page_size,
        num_pages=-(-64 // page_size) + data.draw(st.integers(0, 4), "spare_pages"),
        token_budget=data.draw(st.integers(1, 24), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 6), "max_running_rows"),
        policy=data.draw(st.sampled_from(["lpm", "fcfs"]), "policy"),
        is_caching=data.draw(st.booleans(), "is_caching"),
    )
    started: list[tuple[int, Listening, Sequence[Operation], int]] = []
    for seed in range(data.draw(st.integers(1, 5), "num_programs")):
        program = data.draw(programs, "program")
        branch_id = harness.core.open_branch(seed, "")
        started.append((branch_id, harness.submit(branch_id, program), program, seed))
        for _ in range(data.draw(st.integers(0, 3), "steps")):
            harness.core.step()
            harness.core.check_integrity()
        if data.draw(st.integers(0, 5), "cancel") == 0:
            victim = data.draw(st.sampled_from(started), "victim")
            harness.core.cancel(victim[1].request)
            harness.core.check_integrity()
    harness.run()
    for branch_id, listening, program, seed in started:
        if listening.error is None:
            assert heard(listening) == heard(Harness().answer(program, seed=seed))
        else:
            assert type(listening.error).__name__ == "RequestCancelled", listening.error
        harness.core.close_branch(branch_id)
    harness.core.flush_cache()
    harness.core.check_integrity()
    assert harness.pool.num_free_pages == harness.pool.num_pages


# --- cases that were wrong once


def test_a_fork_of_a_text_that_does_not_fit_is_refused_and_the_others_go_on() -> None:
    harness = Harness(num_pages=8)
    bad = harness.submit(harness.core.open_branch(1, ""), [tokens(*[5] * 100), Fork(2)])
    good = harness.submit(harness.core.open_branch(1, ""), [tokens(1, 2), gen(3)])
    harness.run()
    assert isinstance(bad.error, RequestTooLong)
    assert good.error is None


@pytest.mark.parametrize(
    ("num_pages", "operations"),
    [
        (8, [tokens(1, 2, 3, 4), gen(16, n=4, temperature=1.0)]),
        (8, [tokens(*[5] * 26), Select("x", ("qzx", "qwx"), "unconditional_likelihood_normalized")]),
    ],
)
def test_samples_and_baselines_share_a_short_pool(num_pages: int, operations: list[Operation]) -> None:
    tight = Harness(num_pages=num_pages).answer(operations)
    assert heard(tight) == heard(Harness().answer(operations))


def test_a_match_inside_a_page_locks_nothing_that_the_row_does_not_hold() -> None:
    harness = Harness(num_pages=4)
    harness.answer([tokens(1, 2, 3), gen(1)])
    assert harness.answer([tokens(1, 2, *range(20, 33)), gen(1)]).error is None


def test_children_of_a_text_that_fills_the_pool_still_answer() -> None:
    harness = Harness(num_pages=4)
    parent = harness.core.open_branch(1, "")
    forked = harness.submit(parent, [tokens(*range(1, 15)), Fork(2)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    children = [harness.submit(child, [tokens(3 + index), gen(1)]) for index, child in enumerate(event.branch_ids)]
    harness.run()
    assert [child.error for child in children] == [None, None]


def test_a_match_whose_copy_finds_no_page_is_taken_in_whole_pages() -> None:
    harness = Harness(num_pages=2)
    branch_id = harness.core.open_branch(1, "")
    harness.submit(branch_id, [tokens(1, 2, 3), gen(1)])
    harness.run()
    harness.core.close_branch(branch_id)
    first = harness.submit(harness.core.open_branch(1, ""), [tokens(50, 51), gen(2)])
    harness.core.step()
    second = harness.submit(harness.core.open_branch(2, ""), [tokens(1, 2, 60), gen(1)])
    harness.run()
    assert first.error is None
    assert second.error is None


def test_a_row_preempted_and_let_in_again_in_one_step_is_computed_once() -> None:
    harness = Harness(num_pages=14, page_size=2, token_budget=17, is_caching=False)
    listening = []
    for seed, (length, steps, max_new_tokens) in enumerate(zip([16, 15, 7], [0, 1, 0], [6, 6, 4], strict=True)):
        operations = [tokens(*[30 + seed] * length), gen(max_new_tokens)]
        listening.append((harness.submit(harness.core.open_branch(seed, ""), operations), operations, seed))
        for _ in range(steps):
            harness.core.step()
    harness.run()
    for each, operations, seed in listening:
        assert heard(each) == heard(Harness().answer(operations, seed=seed))


def test_joined_children_stand_in_the_order_of_their_text() -> None:
    harness = Harness()
    parent = harness.core.open_branch(7, "")
    forked = harness.submit(parent, [Text("The sky is "), Fork(2)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    harness.submit(event.branch_ids[0], [Select("a", ("blue", "red"))])
    harness.submit(event.branch_ids[1], [Text(" or green.")])
    harness.run()
    joined = harness.submit(parent, [Join(event.branch_ids), gen(1)])
    harness.run()
    tape = harness.core.branches._live[parent].branch.token_ids
    assert joined.error is None
    written = "".join(each.text for each in [*forked.events, *joined.events] if isinstance(each, TextDelta))
    assert TOKENIZER.decode(tape, skip_special_tokens=False) == written


def test_only_children_are_joined() -> None:
    harness = Harness()
    parent = harness.core.open_branch(7, "")
    stranger = harness.core.open_branch(7, "another tenant")
    harness.submit(stranger, [Text("secret")])
    harness.submit(parent, [Text("a")])
    assert isinstance(harness.submit(parent, [Join((stranger,))]).error, InvalidRequest)
    other = harness.core.open_branch(7, "")
    assert isinstance(harness.submit(other, [Text("abc"), Join((other,))]).error, InvalidRequest)


def test_choices_past_the_context_are_refused() -> None:
    harness = Harness(context_len=32)
    listening = harness.answer([tokens(*[5] * 31), Select("x", (" a long choice of several tokens", " b"))])
    assert isinstance(listening.error, RequestTooLong)


def test_input_is_scored_where_the_constraint_is_complete_at_once() -> None:
    params = gen(4, return_logprob=True, logprob_start_len=0).params
    (sample,) = Harness().answer([tokens(1, 2, 3), Gen("x", params, Regex("(a{0})"))]).samples()
    assert sample.text == ""
    assert sample.input_logprobs is not None
    assert [entry.logprob is None for entry in sample.input_logprobs] == [True, False, False]


def test_the_cache_is_used_again_after_a_score() -> None:
    harness = Harness(page_size=4)
    harness.answer([Score("s", "one"), gen(3), tokens(*range(30, 50)), gen(2, name="y")])
    again = harness.answer([Score("s", "one"), gen(3), tokens(*range(30, 50)), gen(2, name="y")])
    assert again.samples("y")[0].cached_tokens > 16


def test_a_sample_that_fails_silences_its_siblings() -> None:
    harness = Harness()
    launch = harness.core._sampler.launch
    num_calls = 0

    def failing(logits: torch.Tensor, rows: list[SampleRow]) -> Sampling:
        nonlocal num_calls
        num_calls += 1
        if num_calls > 2 and any(row.path for row in rows):  # the second sample's path is not the root's
            raise RuntimeError("sabotage")
        return launch(logits, rows)

    harness.core._sampler.launch = failing  # type: ignore[method-assign, assignment]
    params = SamplingParams(max_new_tokens=9, n=2, temperature=1.0, ignore_eos=True)
    listening = harness.submit(harness.core.open_branch(3, ""), [tokens(1, 2), Gen("x", params)])
    harness.run()  # the listener asserts that nothing comes after the end
    assert isinstance(listening.error, StepFailed)


def test_a_stop_that_begins_before_the_minimum_counts_where_it_ends_after_it() -> None:
    free = Harness().answer([tokens(1, 2), gen(8, temperature=1.0)], seed=5).samples()[0]
    first, second = (TOKENIZER.decode([each]) for each in free.token_ids[:2])
    stop = first[-1] + second[0]
    assert stop not in first + second[1:]
    stopped = Harness().answer([tokens(1, 2), gen(8, temperature=1.0, stop=(stop,), min_new_tokens=2)], seed=5)
    assert stopped.samples()[0].text == first[:-1]


def test_a_listener_that_raises_loses_its_own_request_only() -> None:
    harness = Harness()

    def deaf(item: Event | Ended) -> None:
        raise RuntimeError("nobody is here")

    harness.core.submit(Request(harness.core.open_branch(1, ""), (tokens(1), gen(5)), deaf))
    good = harness.submit(harness.core.open_branch(1, ""), [tokens(1, 2), gen(3)])
    harness.run()
    assert good.error is None


def test_turns_survive_all_this() -> None:
    turns = [RoleBegin("user"), Text("Hi"), RoleEnd("user"), RoleBegin("assistant"), gen(4), RoleEnd("assistant")]
    assert heard(Harness(num_pages=16, token_budget=3).answer(turns)) == heard(Harness().answer(turns))

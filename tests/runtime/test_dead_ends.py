"""Dead ends: where a constraint leaves nothing, the generation goes another way, the same one however it is run."""

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from engine_harness import TOKENIZER, Harness, Listening, gen, tokens
from guarded_grammar import EOS, GuardedCompiler, GuardedGrammar, guarded
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_search import Search, search

from palmette.grammar.spec import Choice
from palmette.kernels.philox import branch_path
from palmette.lang.events import FinishReason, Forked, GenResult, TextDelta
from palmette.lang.ir import Fork, Gen, Operation, Text
from palmette.runtime.config import DEFAULT_ROLLBACK_BUDGET, RollbackBudget
from palmette.runtime.errors import ConstraintDeadEnd, EngineError
from palmette.runtime.text.detokenizer import Detokenizer
from palmette.runtime.text.stop_checker import StopChecker

COMPILER = GuardedCompiler()

constraints = st.builds(
    guarded,
    salt=st.integers(0, 200),
    group_len=st.integers(2, 7),
    num_groups=st.integers(2, 5),
    harshness=st.integers(2, 6),
)
fields = st.fixed_dictionaries(
    {
        "max_new_tokens": st.sampled_from([3, 17, 40]),
        "temperature": st.sampled_from([0.0, 0.0, 1.0, 3.0]),
        "ignore_eos": st.booleans(),
        "min_new_tokens": st.sampled_from([0, 0, 2]),
        "frequency_penalty": st.sampled_from([0.0, 0.0, 1.5]),
        "repetition_penalty": st.sampled_from([1.0, 1.0, 1.3]),
        "top_k": st.sampled_from([None, None, 2]),
        "return_logprob": st.booleans(),
    }
)
prompts = st.lists(st.integers(1, 3), min_size=1, max_size=9)
budgets = st.sampled_from([DEFAULT_ROLLBACK_BUDGET, RollbackBudget(200, 5000), RollbackBudget(3, 9)])


def grammar_of(constraint: Choice) -> GuardedGrammar:
    compiled = COMPILER.compile(constraint)
    assert isinstance(compiled, GuardedGrammar)
    return compiled


def check_sample(sample: GenResult, wanted: Search) -> None:
    written = sample.token_ids[:-1] if sample.token_ids[-1:] == (EOS,) else sample.token_ids
    assert written == wanted.token_ids
    assert sample.text == TOKENIZER.decode(list(written))
    assert (sample.num_rollbacks, sample.num_tokens_taken_back) == (
        wanted.num_rollbacks,
        wanted.num_tokens_taken_back,
    )
    assert sample.masked_log_mass == pytest.approx(wanted.log_mass, abs=1e-3)
    assert sample.forced == wanted.forced
    if sample.output_logprobs is not None:
        assert tuple(each.token_id for each in sample.output_logprobs) == sample.token_ids


def check_stream(listening: Listening, sample: GenResult) -> None:
    """What was shown is what came of it: nothing shown was taken back."""
    deltas = [event for event in listening.events if isinstance(event, TextDelta) and event.name == "x"]
    assert "".join(delta.text for delta in deltas) == sample.text
    told = tuple(token_id for delta in deltas for token_id in delta.token_ids)
    assert told == sample.token_ids[: len(told)]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_however_it_is_run_it_is_the_naive_search(data: st.DataObject) -> None:
    budget = data.draw(budgets, "budget")
    page_size = data.draw(st.sampled_from([1, 3, 4]), "page_size")
    harness = Harness(
        page_size=page_size,
        num_pages=-(-60 // page_size) + data.draw(st.integers(0, 12), "spare_pages"),
        token_budget=data.draw(st.integers(1, 24), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 6), "max_running_rows"),
        is_caching=data.draw(st.booleans(), "is_caching"),
        compiler=COMPILER,
        num_mask_threads=data.draw(st.sampled_from([0, 0, 2]), "num_mask_threads"),
        rollback_budget=budget,
    )
    started: list[tuple[int, Listening, list[int], Gen]] = []
    cancelled: set[int] = set()
    for seed in range(data.draw(st.integers(1, 3), "num_requests")):
        prompt = data.draw(prompts, "prompt")
        operation = _generation(data)
        branch_id = harness.core.open_branch(seed, "")
        started.append((seed, harness.submit(branch_id, [tokens(*prompt), operation]), prompt, operation))
        for _ in range(data.draw(st.integers(0, 9), "steps")):
            harness.core.step()
            harness.core.check_integrity()
        if data.draw(st.integers(0, 7), "cancel") == 0:
            cancelled.add(victim := data.draw(st.integers(0, seed), "victim"))
            harness.core.cancel(started[victim][1].request)
            harness.core.check_integrity()
    harness.run()
    for seed, listening, prompt, operation in started:
        if seed in cancelled and listening.error is not None:
            continue
        _check(listening, prompt, operation, seed, budget)
    harness.core.shut_down()
    harness.check_all_returned()


def _generation(data: st.DataObject) -> Gen:
    given_fields = dict(data.draw(fields, "fields"))
    operation = gen(given_fields.pop("max_new_tokens"), n=data.draw(st.integers(1, 3), "n"), **given_fields)
    return Gen("x", operation.params, data.draw(constraints, "constraint"))


def _check(listening: Listening, prompt: Sequence[int], operation: Gen, seed: int, budget: RollbackBudget) -> None:
    assert isinstance(operation.constraint, Choice)
    grammar = grammar_of(operation.constraint)
    paths = [0, *(branch_path(0, number) for number in range(operation.params.n - 1))]
    wanted = [search(prompt, operation.params, grammar, seed, path, budget) for path in paths]
    if any(each.is_dead for each in wanted):
        assert isinstance(listening.error, ConstraintDeadEnd)
        return
    samples = listening.samples()
    for sample, each in zip(samples, wanted, strict=True):
        check_sample(sample, each)
    check_stream(listening, samples[0])


def test_dead_ends_of_every_depth_are_met() -> None:
    """Or else the test above shows nothing."""
    met: Counter[str] = Counter()
    for salt in range(60):
        params = gen(30, temperature=1.0).params
        found = search([1, 2], params, GuardedGrammar(salt, 6, 3, 5), 7, 0, DEFAULT_ROLLBACK_BUDGET)
        met["dead"] += found.is_dead
        met["went back and on"] += found.num_rollbacks > 0 and not found.is_dead
        met["further back than the last token"] += found.num_tokens_taken_back > 2 * found.num_rollbacks
    assert min(met.values()) >= 3, met
    assert len(met) == 3


def _salt_with(is_dead: bool, *, num_rollbacks: int = 2, **given_fields: object) -> tuple[Choice, Gen, Search]:
    for salt in range(500):
        constraint = guarded(salt)
        operation = Gen("x", gen(60, **given_fields).params, constraint)
        found = search([1, 2], operation.params, grammar_of(constraint), 7, 0, DEFAULT_ROLLBACK_BUDGET)
        if found.is_dead == is_dead and found.num_rollbacks >= num_rollbacks:
            return constraint, operation, found
    raise AssertionError("no such grammar")


def test_a_way_back_is_reported_and_counted() -> None:
    _, operation, wanted = _salt_with(is_dead=False)
    harness = Harness(compiler=COMPILER)
    (sample,) = harness.answer([tokens(1, 2), operation]).samples()
    assert sample.num_rollbacks == wanted.num_rollbacks >= 2
    assert sample.num_tokens_taken_back >= sample.num_rollbacks
    stats = harness.core.stats()
    assert stats["num_rollbacks"] == sample.num_rollbacks
    assert stats["num_tokens_taken_back"] == sample.num_tokens_taken_back
    (plain,) = Harness().answer([tokens(1, 2), gen(4)]).samples()
    assert (plain.num_rollbacks, plain.num_tokens_taken_back, plain.masked_log_mass) == (0, 0, None)


def test_the_end_of_all_ways_is_an_error_that_says_so() -> None:
    _, operation, wanted = _salt_with(is_dead=True)
    harness = Harness(compiler=COMPILER)
    listening = harness.answer([tokens(1, 2), operation])
    error = listening.error
    assert isinstance(error, ConstraintDeadEnd)
    assert isinstance(error, EngineError)
    assert (error.num_rollbacks, error.num_tokens_taken_back) == (wanted.num_rollbacks, wanted.num_tokens_taken_back)
    assert listening.ended is not None
    assert listening.ended.operation_index == 1, "the operation to blame"
    harness.check_all_returned()


@pytest.mark.parametrize("budget", [RollbackBudget(1, 512), RollbackBudget(64, 1), RollbackBudget(0, 0)])
def test_a_budget_is_kept(budget: RollbackBudget) -> None:
    _, operation, wanted = _salt_with(is_dead=False)
    error = Harness(compiler=COMPILER, rollback_budget=budget).answer([tokens(1, 2), operation]).error
    assert isinstance(error, ConstraintDeadEnd)
    assert "limits" in str(error)
    assert error.num_rollbacks <= budget.max_rollbacks
    assert error.num_tokens_taken_back <= budget.max_tokens
    enough = RollbackBudget(wanted.num_rollbacks, wanted.num_tokens_taken_back)
    listening = Harness(compiler=COMPILER, rollback_budget=enough).answer([tokens(1, 2), operation])
    check_sample(listening.samples()[0], wanted)


def test_forks_keep_what_their_parent_wrote_while_one_goes_back() -> None:
    """Children share the page that a taken-back token lies in; each must copy it before it computes it anew."""
    _, operation, _ = _salt_with(is_dead=False, temperature=1.0)
    harness = Harness(compiler=COMPILER, page_size=16)
    root = harness.core.open_branch(7, "")
    forked = harness.submit(root, [tokens(1, 2), gen(3, name="head"), Fork(3)])
    harness.run()
    (children,) = (event.branch_ids for event in forked.events if isinstance(event, Forked))
    listening = [harness.submit(child, [operation]) for child in children]
    harness.run()
    prompt = [1, 2, *forked.token_ids("head")]
    assert isinstance(operation.constraint, Choice)
    for number, each in enumerate(listening):
        wanted = search(
            prompt, operation.params, grammar_of(operation.constraint), 7, branch_path(0, number), RollbackBudget()
        )
        if wanted.is_dead:
            assert isinstance(each.error, ConstraintDeadEnd)
        else:
            check_sample(each.samples()[0], wanted)
    assert harness.core.num_rollbacks > 0


def test_text_that_may_be_taken_back_is_held_and_then_shown() -> None:
    _, operation, _ = _salt_with(is_dead=False)
    harness = Harness(compiler=COMPILER)
    listening = harness.submit(harness.core.open_branch(7, ""), [tokens(1, 2), operation])
    shown: list[str] = []
    while harness.core.step():
        shown.append(listening.text)
    shown.append(listening.text)
    (sample,) = listening.samples()
    group_ends = {TOKENIZER.decode(list(sample.token_ids[:num])) for num in range(0, len(sample.token_ids) + 1, 5)}
    prompt_text = TOKENIZER.decode([1, 2], skip_special_tokens=False)
    for text in shown:
        rest = text.removeprefix(prompt_text)
        assert sample.text.startswith(rest)
        assert any(end.startswith(rest) and len(end) - len(rest) <= 1 for end in group_ends), "whole groups only"
    assert len(set(shown)) >= 3, "shown as soon as it is certain"


def test_the_limit_cuts_inside_what_might_be_taken_back() -> None:
    _, operation, wanted = _salt_with(is_dead=False, ignore_eos=True)
    for max_new_tokens in range(1, len(wanted.token_ids)):
        params = gen(max_new_tokens, ignore_eos=True).params
        listening = Harness(compiler=COMPILER).answer([tokens(1, 2), Gen("x", params, operation.constraint)])
        (sample,) = listening.samples()
        assert sample.finish_reason.type == "length"
        assert len(sample.token_ids) == max_new_tokens
        check_stream(listening, sample)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_stops_and_dead_ends_together(data: st.DataObject) -> None:
    """A stop may be found in what is written after going back, and not in what was taken back."""
    salt = data.draw(st.integers(0, 60).map(lambda half: 2 * half), "salt")
    grammar = GuardedGrammar(salt, 4, 6, data.draw(st.integers(3, 6), "harshness"))
    words = [TOKENIZER.decode([token_id]) for token_id in grammar.pool]
    stop = data.draw(st.sampled_from([*words, *(one + other[:1] for one in words for other in words)]), "stop")
    is_regex = data.draw(st.booleans(), "is_regex")
    fields = {"temperature": data.draw(st.sampled_from([0.0, 1.0]), "temperature"), "ignore_eos": True}
    constraint = guarded(salt, 4, 6, grammar.harshness)
    wanted = search([1, 2], gen(40, stop=(stop,), **fields).params, grammar, 7, 0, DEFAULT_ROLLBACK_BUDGET)
    stops: dict[str, object] = {"stop_regex": (re.escape(stop),)} if is_regex else {"stop": (stop,)}
    operation = Gen("x", gen(40, **fields, **stops).params, constraint)
    harness = Harness(compiler=COMPILER, num_pages=32, page_size=4, token_budget=3, num_mask_threads=1)
    program: list[Operation] = [tokens(1, 2), operation, Text(" on"), gen(2, name="y")]
    both = [harness.submit(harness.core.open_branch(7, ""), program) for _ in range(2)]
    harness.run()
    for each in both:
        if wanted.is_dead:
            assert isinstance(each.error, ConstraintDeadEnd)
            continue
        sample = each.samples()[0]
        assert (sample.token_ids, sample.num_rollbacks) == (wanted.token_ids, wanted.num_rollbacks)
        if wanted.text is not None:
            assert sample.text == wanted.text
            assert sample.finish_reason == FinishReason("stop", stop)
        check_stream(each, sample)
    harness.core.shut_down()
    harness.check_all_returned()


@pytest.mark.parametrize("steps", range(2, 40, 3))
def test_cancelled_anywhere_nothing_is_left(steps: int) -> None:
    _, operation, _ = _salt_with(is_dead=False)
    harness = Harness(compiler=COMPILER, num_mask_threads=2)
    doomed = harness.submit(harness.core.open_branch(7, ""), [tokens(1, 2), operation])
    for _ in range(steps):
        harness.core.step()
        harness.core.check_integrity()
    harness.core.cancel(doomed.request)
    harness.core.check_integrity()
    harness.core.shut_down()
    harness.check_all_returned()


@given(st.data())
def test_a_detokenizer_forgets(data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, 400), min_size=1, max_size=12), "ids")
    num_kept = data.draw(st.integers(0, len(ids)), "num_kept")
    more = data.draw(st.lists(st.integers(0, 400), max_size=8), "more")
    gone, fresh = (Detokenizer(TOKENIZER.token_bytes) for _ in range(2))
    for token_id in ids:
        gone.append(token_id)
    text_len = gone.take_back(num_kept)
    pieces = [fresh.append(token_id) for token_id in ids[:num_kept]]
    assert text_len == len("".join(pieces)) == gone.text_len
    assert [gone.append(token_id) for token_id in more] == [fresh.append(token_id) for token_id in more]
    assert gone.text == fresh.text
    assert [gone.cut(at) for at in range(gone.text_len + 1)] == [fresh.cut(at) for at in range(fresh.text_len + 1)]


@given(st.data())
def test_a_stop_checker_forgets(data: st.DataObject) -> None:
    texts = st.text("ab", max_size=8)
    text, more = data.draw(texts, "text"), data.draw(texts, "more")
    num_kept = data.draw(st.integers(0, len(text)), "num_kept")
    gone, fresh = (StopChecker(("abab",), ("a{3}b", "b+a{2}")) for _ in range(2))
    gone.append(text, is_armed=False)
    gone.take_back(num_kept)
    fresh.append(text[:num_kept], is_armed=False)
    assert gone.num_safe() == fresh.num_safe()
    assert gone.append(more) == fresh.append(more)
    assert gone.num_safe() == fresh.num_safe()

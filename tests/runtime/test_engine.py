"""The engine against an oracle that computes every prefix from scratch: nothing it does may change an answer."""

import pytest
import torch
from engine_harness import TOKENIZER, VOCAB_SIZE, Harness, Listening, gen, oracle, tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.errors import GrammarError
from palmette.grammar.spec import Choice, JsonSchema, Regex
from palmette.lang.events import Forked, ScoreResult, SelectResult, TextDelta, ValueReady
from palmette.lang.ir import Fork, Gen, Join, RoleBegin, RoleEnd, Score, Select, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.errors import (
    BranchClosed,
    EmptyPrompt,
    InvalidRequest,
    RequestCancelled,
    RequestTooLong,
    StepFailed,
)
from palmette.runtime.sampler import Sampling

PROMPT = [5, 17, 300, 42, 99, 1000, 7, 8, 9, 10, 11]


def test_one_generation_equals_the_oracle() -> None:
    harness = Harness()
    assert harness.answer([tokens(*PROMPT), gen(12)]).token_ids() == oracle(PROMPT, gen(12).params)


@pytest.mark.parametrize("page_size", [1, 4, 16])
@pytest.mark.parametrize("token_budget", [1, 3, 64])
def test_pages_and_chunks_change_nothing(page_size: int, token_budget: int) -> None:
    harness = Harness(page_size=page_size, token_budget=token_budget)
    operations = [tokens(*PROMPT), gen(6, temperature=1.0)]
    expected = oracle(PROMPT, operations[1].params)
    assert harness.answer(operations).token_ids() == expected  # cold
    assert harness.answer(operations).token_ids() == expected  # warm


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_many_requests_at_once_equal_the_oracle(data: st.DataObject) -> None:
    """Shared prefixes, short memory, chunks, preemption: each answer is what the request would get alone."""
    page_size = data.draw(st.sampled_from([1, 2, 4]), "page_size")
    harness = Harness(
        page_size=page_size,
        num_pages=data.draw(st.integers(-(-24 // page_size), -(-120 // page_size)), "num_pages"),
        token_budget=data.draw(st.integers(1, 20), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 6), "max_running_rows"),
        policy=data.draw(st.sampled_from(["lpm", "fcfs"]), "policy"),
        is_caching=data.draw(st.booleans(), "is_caching"),
        overlaps=data.draw(st.booleans(), "overlaps"),
    )
    prompts = st.lists(st.integers(1, 3), min_size=1, max_size=16)  # few token ids: prefixes are shared often
    listening = []
    for index in range(data.draw(st.integers(1, 8), "num_requests")):
        prompt = data.draw(prompts, "prompt")
        operation = gen(data.draw(st.integers(1, 6), "max_new_tokens"), temperature=index % 2, frequency_penalty=0.5)
        branch_id = harness.core.open_branch(index, "")
        listening.append((harness.submit(branch_id, [tokens(*prompt), operation]), prompt, operation.params, index))
        for _ in range(data.draw(st.integers(0, 3), "steps")):
            harness.core.step()
            harness.core.check_integrity()
    harness.run()
    for each, prompt, params, seed in listening:
        assert each.token_ids() == oracle(prompt, params, seed=seed)
    for branch_id in range(len(listening)):
        harness.core.close_branch(branch_id)
    harness.core.flush_cache()
    harness.core.check_integrity()
    assert harness.pool.num_free_pages == harness.pool.num_pages


def test_a_starved_pool_preempts_and_still_answers() -> None:
    harness = Harness(num_pages=8, page_size=4, token_budget=16)
    listening = []
    for seed in range(4):
        branch_id = harness.core.open_branch(seed, "")
        listening.append(harness.submit(branch_id, [tokens(seed + 1, 2, 3, 4, 5), gen(16, temperature=1.0)]))
    harness.run()
    assert harness.core.scheduler.num_preemptions > 0
    for seed, each in enumerate(listening):
        assert each.token_ids() == oracle([seed + 1, 2, 3, 4, 5], gen(16, temperature=1.0).params, seed=seed)


def test_the_cache_is_used_and_namespaces_are_kept_apart() -> None:
    harness = Harness(page_size=4)
    operations = [tokens(*PROMPT), gen(4)]
    assert harness.answer(operations).samples()[0].cached_tokens == 0
    assert harness.answer(operations).samples()[0].cached_tokens == len(PROMPT) - 1
    assert harness.answer(operations, namespace="other").samples()[0].cached_tokens == 0


def test_requests_that_arrive_together_compute_a_shared_prefix_once() -> None:
    harness = Harness(page_size=4, token_budget=256)
    prefix = list(range(100, 140))
    listening = [
        harness.submit(harness.core.open_branch(1, ""), [tokens(*prefix, index), gen(2)]) for index in range(8)
    ]
    harness.run()
    assert [each.token_ids() for each in listening] == [oracle([*prefix, i], gen(2).params, seed=1) for i in range(8)]
    assert harness.core.num_computed_tokens < 2 * len(prefix)


# --- forks, samples, joins


def test_children_share_the_parent_and_go_their_own_ways() -> None:
    harness = Harness(page_size=4)
    parent = harness.core.open_branch(7, "")
    forked = harness.submit(parent, [tokens(*PROMPT), Fork(3)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    before = harness.core.num_computed_tokens
    children = [harness.submit(child, [gen(5, temperature=1.0)]) for child in event.branch_ids]
    harness.run()
    assert harness.core.num_computed_tokens - before == 3 * 5  # a child computes one token for each it writes
    answers = {child.token_ids() for child in children}
    assert len(answers) == 3, "children of a fork must draw different noise"
    assert forked.error is None


def test_a_fork_before_any_text_and_a_generation_after_none() -> None:
    harness = Harness()
    parent = harness.core.open_branch(7, "")
    forked = harness.submit(parent, [Fork(2)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    good = harness.submit(event.branch_ids[0], [tokens(*PROMPT), gen(3)])
    bad = harness.submit(event.branch_ids[1], [gen(3)])
    harness.run()
    assert good.token_ids() == oracle(PROMPT, gen(3).params)
    assert isinstance(bad.error, EmptyPrompt)


def test_samples_differ_and_the_first_is_what_one_alone_would_be() -> None:
    harness = Harness()
    samples = harness.answer([tokens(*PROMPT), gen(5, temperature=1.0, n=4)]).samples()
    assert len({sample.token_ids for sample in samples}) == 4
    assert samples[0].token_ids == oracle(PROMPT, gen(5, temperature=1.0).params)
    assert harness.memory.pool.num_free_pages + harness.memory.cache.num_evictable_pages == harness.pool.num_pages


def test_samples_of_a_prompt_that_is_cached_whole() -> None:
    harness = Harness(page_size=4)
    operations = [tokens(*PROMPT), gen(5, temperature=1.0, n=3)]
    assert harness.answer(operations).samples() is not None
    cold = [sample.token_ids for sample in Harness().answer(operations).samples()]
    assert [sample.token_ids for sample in harness.answer(operations).samples()] == cold


def test_join_appends_what_the_children_wrote() -> None:
    harness = Harness()
    parent = harness.core.open_branch(7, "")
    forked = harness.submit(parent, [Text("Once"), Fork(2)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    for word, child in zip([" upon", " a time"], event.branch_ids, strict=True):
        harness.submit(child, [Text(word)])
    joined = harness.submit(parent, [Join(event.branch_ids), gen(3)])
    harness.run()
    assert joined.error is None
    assert "".join(e.text for e in joined.events if isinstance(e, TextDelta) and e.name is None) == " upon a time"


def test_join_keeps_the_childrens_tokens_and_closes_their_turns() -> None:
    harness = Harness()
    parent = harness.core.open_branch(7, "")
    forked = harness.submit(parent, [RoleBegin("system"), Text("Be brief."), RoleEnd("system"), Fork(1)])
    harness.run()
    (event,) = (event for event in forked.events if isinstance(event, Forked))
    child_turn = [RoleBegin("user"), Text("Hi"), RoleEnd("user"), RoleBegin("assistant"), gen(3), RoleEnd("assistant")]
    child = harness.submit(event.branch_ids[0], child_turn)
    harness.run()
    joined = harness.submit(parent, [Join(event.branch_ids), RoleBegin("user"), Text("Bye"), RoleEnd("user")])
    harness.run()
    assert joined.error is None
    written = child.samples()[0].text
    assert joined.text == (
        f"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{written}<|im_end|>\n<|im_start|>user\nBye"
    )
    tape = harness.core.branches._live[parent].branch.token_ids
    found = [tape[i : i + 3] for i in range(len(tape))]
    assert list(child.token_ids()) in found, "what the model wrote is not tokenised again"


# --- failures


def test_a_failing_pass_ends_its_rows_and_no_others() -> None:
    harness = Harness(token_budget=64)
    first = harness.submit(harness.core.open_branch(7, ""), [tokens(*PROMPT), gen(6)])
    harness.core.step()
    harness.model.failures.append(RuntimeError("the device is on fire"))
    harness.core.step()
    assert isinstance(first.error, StepFailed)
    assert "on fire" in str(first.error)
    harness.core.check_integrity()
    assert harness.answer([tokens(*PROMPT), gen(6)]).token_ids() == oracle(PROMPT, gen(6).params)


def test_one_row_without_a_token_fails_alone() -> None:
    harness = Harness()
    good = harness.submit(harness.core.open_branch(7, ""), [tokens(*PROMPT), gen(6)])
    bad = harness.submit(harness.core.open_branch(7, ""), [tokens(*PROMPT), gen(6, logit_bias={3: 1.0})])
    launch = harness.core._sampler.launch

    def sabotaged(logits: torch.Tensor, rows: list[object]) -> Sampling:
        if any(getattr(row, "params").logit_bias for row in rows):  # noqa: B009 - rows are opaque here
            raise RuntimeError("no")
        return launch(logits, rows)  # type: ignore[arg-type]

    harness.core._sampler.launch = sabotaged  # type: ignore[method-assign, assignment]
    harness.run()
    assert isinstance(bad.error, StepFailed)
    assert good.token_ids() == oracle(PROMPT, gen(6).params)


@pytest.mark.parametrize("steps", range(9))
def test_cancelling_at_any_step_returns_all_memory(steps: int) -> None:
    harness = Harness(page_size=2, token_budget=4)
    branch_id = harness.core.open_branch(7, "")
    doomed = harness.submit(branch_id, [tokens(*PROMPT), gen(3, n=2, temperature=1.0), Text("x"), gen(3, name="y")])
    other = harness.submit(harness.core.open_branch(7, ""), [tokens(*PROMPT), gen(4)])
    for _ in range(steps):
        harness.core.step()
    harness.core.cancel(doomed.request)
    harness.run()
    assert doomed.ended is not None
    assert doomed.error is None or isinstance(doomed.error, RequestCancelled)
    assert other.token_ids() == oracle(PROMPT, gen(4).params)
    harness.core.close_branch(branch_id)
    harness.core.shut_down()
    harness.core.flush_cache()
    assert harness.pool.num_free_pages == harness.pool.num_pages


def test_what_cannot_be_is_refused_with_its_numbers() -> None:
    harness = Harness(num_pages=8, page_size=4, context_len=40)
    assert isinstance(harness.answer([gen(1)]).error, EmptyPrompt)
    error = harness.answer([tokens(*range(50)), gen(1)]).error
    assert isinstance(error, RequestTooLong)
    assert "50" in str(error)
    assert "40" in str(error)
    error = harness.answer([tokens(*range(20)), gen(20)]).error
    assert isinstance(error, RequestTooLong)
    assert (error.num_tokens, error.limit) == (40, 32)
    assert isinstance(harness.answer([tokens(VOCAB_SIZE)]).error, InvalidRequest)
    assert isinstance(harness.answer([tokens(1), Fork(0)]).error, InvalidRequest)
    for field in ({"logit_bias": {VOCAB_SIZE: 1.0}}, {"stop_token_ids": (VOCAB_SIZE,)}, {"stop_regex": ("a*",)}):
        assert isinstance(Harness().answer([tokens(1), gen(2, **field)]).error, InvalidRequest), field
    ended = Harness().answer([tokens(1), gen(2), Gen("y", constraint=Regex("("))])
    assert isinstance(ended.error, GrammarError)
    assert ended.ended is not None
    assert ended.ended.operation_index == 2


def test_a_branch_takes_nothing_after_an_error_and_other_requests_on_it_hear_of_it() -> None:
    harness = Harness()
    branch_id = harness.core.open_branch(7, "")
    bad = harness.submit(branch_id, [gen(1)])
    assert isinstance(bad.error, EmptyPrompt)
    assert isinstance(harness.submit(branch_id, [tokens(1), gen(1)]).error, BranchClosed)


def test_the_context_ends_a_generation() -> None:
    harness = Harness(context_len=16)
    (sample,) = harness.answer([tokens(*PROMPT), gen(50)]).samples()
    assert sample.finish_reason.type == "length"
    assert len(sample.token_ids) == 16 - len(PROMPT)


# --- text, stops, constraints, choices


def text_of(listening: Listening) -> str:
    return "".join(event.text for event in listening.events if isinstance(event, TextDelta) and event.name == "x")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), start=st.integers(0, 20), length=st.integers(1, 4))
def test_a_stop_string_cuts_text_and_tape_and_never_leaks(seed: int, start: int, length: int) -> None:
    free = Harness().answer([tokens(*PROMPT), gen(12, temperature=1.0)], seed=seed)
    whole = free.samples()[0].text
    stop = whole[start : start + length]
    if not stop or "�" in stop:
        return
    harness = Harness()
    stopped = harness.answer(
        [tokens(*PROMPT), gen(12, temperature=1.0, stop=(stop,)), Text("!"), gen(2, name="y")], seed=seed
    )
    (sample,) = stopped.samples()
    assert sample.text == whole[: whole.index(stop)]
    assert sample.finish_reason.matched == stop
    assert text_of(stopped) == sample.text, "what is streamed is what is returned"


def test_a_stop_inside_a_token_leaves_its_head_to_the_tokenizer() -> None:
    harness = Harness()
    branch_id = harness.core.open_branch(3, "")
    free = harness.submit(branch_id, [tokens(*PROMPT), gen(6, temperature=1.0)])
    harness.run()
    text = free.samples()[0].text
    position = next(i for i in range(1, len(text)) if text[i].isascii() and text.index(text[i]) == i)
    again = harness.core.open_branch(3, "")
    listening = harness.submit(
        again, [tokens(*PROMPT), gen(6, temperature=1.0, stop=(text[position],)), Text("tail"), gen(1, name="y")]
    )
    harness.run()
    branch = harness.core.branches._live[again].branch
    written = TOKENIZER.decode(branch.token_ids[len(PROMPT) : -1], skip_special_tokens=False)
    assert written == text[:position] + "tail"
    assert listening.error is None


def test_stop_regex_min_tokens_and_stop_tokens() -> None:
    free = Harness().answer([tokens(*PROMPT), gen(12, temperature=1.0)]).samples()[0]
    by_regex = Harness().answer([tokens(*PROMPT), gen(12, temperature=1.0, stop_regex=(r"[a-z]{2}",))]).samples()[0]
    assert free.text.startswith(by_regex.text)
    third = free.token_ids[2]
    by_token = Harness().answer([tokens(*PROMPT), gen(12, temperature=1.0, stop_token_ids=(third,))]).samples()[0]
    assert by_token.token_ids == free.token_ids[:3]
    assert by_token.finish_reason.matched == third
    longer = (
        Harness()
        .answer([tokens(*PROMPT), gen(12, temperature=1.0, stop_token_ids=(third,), min_new_tokens=6)])
        .samples()[0]
    )
    assert third not in longer.token_ids[:6]


@pytest.mark.parametrize(
    "constraint",
    [Regex(r"[0-9]{3}-[a-f]+"), Choice(("red", "green", "greenish")), JsonSchema('{"type":"integer"}')],
)
def test_a_constraint_holds_whatever_the_model_wants(constraint: Regex | Choice | JsonSchema) -> None:
    from palmette.grammar.acceptance import accepts

    harness = Harness(num_pages=64, token_budget=8)
    listening = [
        harness.submit(
            harness.core.open_branch(seed, ""),
            [tokens(*PROMPT), Gen("x", SamplingParams(max_new_tokens=60), constraint)],
        )
        for seed in range(6)
    ]
    harness.run()
    for each in listening:
        (sample,) = each.samples()
        assert sample.finish_reason.type == "length" or accepts(constraint, sample.text), sample.text


def test_select_scores_each_choice_as_if_it_were_alone() -> None:
    choices = (" yes", " no", " nope", " yesterday")
    harness = Harness(token_budget=4)
    select = Select("x", choices)
    together = _selected(harness.answer([Text("Is it?"), select]))
    for index, choice in enumerate(choices):
        alone = _selected(Harness().answer([Text("Is it?"), Select("x", (choice, " maybe"))]))
        assert together.logprobs[index] == pytest.approx(alone.logprobs[0], rel=1e-6)
        scored = Harness().answer([Text("Is it?"), Score("x", choice)])
        (value,) = (event for event in scored.events if isinstance(event, ValueReady))
        assert isinstance(value.result, ScoreResult)
        assert value.result.logprob == pytest.approx(together.logprobs[index], rel=1e-5)
    assert sum(together.probabilities) == pytest.approx(1)
    assert together.choice == choices[max(range(4), key=lambda i: together.scores[i])]


def test_select_heals_the_seam() -> None:
    healed = _selected(Harness().answer([Text("The sky is "), Select("x", ("blue", "red"))]))
    plain = _selected(Harness().answer([Text("The sky is"), Select("x", (" blue", " red"))]))
    assert healed.choice == "blue" or healed.choice == "red"
    assert healed.logprobs == pytest.approx(plain.logprobs, rel=1e-6)


@pytest.mark.parametrize(
    "method", ["token_length_normalized", "greedy_token_selection", "unconditional_likelihood_normalized"]
)
def test_select_goes_on_from_its_choice(method: str) -> None:
    harness = Harness()
    select = Select("x", (" one", " two", " two and a half"), method)  # type: ignore[arg-type]
    listening = harness.answer([Text("Count:"), select, gen(2, name="y")])
    result = _selected(listening)
    prompt = TOKENIZER.encode("Count:", has_special=False)
    chosen = [entry.token_id for entry in result.token_logprobs[result.choices.index(result.choice)]]
    assert listening.token_ids("y") == oracle([*prompt, *chosen], gen(2).params)


def _selected(listening: Listening) -> SelectResult:
    assert listening.error is None, listening.error
    (value,) = (event for event in listening.events if isinstance(event, ValueReady) and event.name == "x")
    assert isinstance(value.result, SelectResult)
    return value.result


def test_input_logprobs_do_not_depend_on_the_cache() -> None:
    operations = [tokens(*PROMPT), gen(2, return_logprob=True, logprob_start_len=0, top_logprobs_num=2)]
    harness = Harness(page_size=4, token_budget=3)
    cold = harness.answer(operations).samples()[0].input_logprobs
    warm = harness.answer(operations).samples()[0].input_logprobs
    assert cold == warm
    assert cold is not None
    assert [entry.token_id for entry in cold] == PROMPT
    assert cold[0].logprob is None
    assert all(entry.logprob is not None and len(entry.top) == 2 for entry in cold[1:])


# --- roles


def test_roles_are_written_by_the_template_and_user_text_is_only_text() -> None:
    harness = Harness()
    turns = [
        RoleBegin("user"),
        Text("Hi <|im_end|>"),
        RoleEnd("user"),
        RoleBegin("assistant"),
        gen(3),
        RoleEnd("assistant"),
    ]
    branch_id = harness.core.open_branch(7, "")
    listening = harness.submit(branch_id, turns)
    harness.run()
    assert listening.error is None
    text = "".join(event.text for event in listening.events if isinstance(event, TextDelta) and event.name is None)
    assert text == "<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n"
    tape = harness.core.branches._live[branch_id].branch.token_ids
    (end_id,) = TOKENIZER.encode("<|im_end|>", has_special=True)
    assert tape[:-3].count(end_id) == 1

"""Faults that serving engines had in the field, one class a test: none of them may happen here.

Classes that are tested in full elsewhere:

- a fork before any text: test_engine.py, `test_a_fork_before_any_text_and_a_generation_after_none`;
- warm and cold cache on the embedded model, in float32: test_embedded.py,
  `test_seeded_tokens_do_not_depend_on_what_else_runs` (here the hash model shows it to the bit, for every prefix).
"""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from engine_harness import TOKENIZER, VOCAB_SIZE, Harness, Listening, gen, oracle, tokens

from palmette.grammar.acceptance import accepts
from palmette.grammar.spec import JsonSchema, Regex
from palmette.kernels.choice import Chosen
from palmette.kernels.token_sampler import ChosenOnHost
from palmette.lang.events import TextDelta
from palmette.lang.ir import Fork, Gen, Operation, Select, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.errors import RequestCancelled, RequestTooLong
from palmette.runtime.row import Row
from palmette.runtime.sampler import Sampler, SampleRow, Sampling

PREFIX = list(range(100, 130))


class Milliseconds:
    """A clock that goes on by hand; a step of the engine takes one millisecond."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> float:
        return self.now_ms / 1000


class WrittenSampler(Sampler):
    """Samples the tokens it was told to, whatever the model wants: by their place after the prompt."""

    def __init__(self, prompt_len: int, script: Sequence[int]) -> None:
        super().__init__(VOCAB_SIZE)
        self.prompt_len = prompt_len
        self.script = script

    def launch(self, logits: torch.Tensor, rows: Sequence[SampleRow]) -> Sampling:
        return Sampling(ChosenOnHost([Chosen(self.script[row.position - self.prompt_len], 0.0) for row in rows]))


def check_answer(listening: Listening, prompt: Sequence[int], params: SamplingParams, seed: int = 7) -> None:
    assert listening.token_ids() == oracle(prompt, params, seed=seed)


def close_all(harness: Harness) -> None:
    for branch in list(harness.core.branches.all()):
        harness.core.close_branch(branch.branch_id)
    harness.check_all_returned()


# --- cancels


@pytest.mark.parametrize("num_steps", range(1, 12))
@pytest.mark.parametrize("page_size", [1, 4])
def test_a_cancel_during_another_requests_prefill(page_size: int, num_steps: int) -> None:
    """The one that goes was computing what the others wait for, or waits itself, or shares half of it."""
    harness = Harness(page_size=page_size, token_budget=5)
    prompts = [[*PREFIX, 1, 2], [*PREFIX, 1, 3], [*PREFIX[:17], 4], [*PREFIX, 1, 2]]
    for victim in range(len(prompts)):
        namespace = str(victim)  # each time from a cold cache
        listening = []
        for prompt in prompts:
            listening.append(harness.submit(harness.core.open_branch(7, namespace), [tokens(*prompt), gen(4)]))
            harness.core.step()
        for _ in range(num_steps):
            harness.core.step()
        harness.core.cancel(listening[victim].request)
        harness.core.check_integrity()
        harness.run()
        for index, (each, prompt) in enumerate(zip(listening, prompts, strict=True)):
            if index != victim or each.error is None:
                check_answer(each, prompt, gen(4).params)
            else:
                assert isinstance(each.error, RequestCancelled)
    close_all(harness)


@pytest.mark.parametrize("num_pages", [16, 512])
@pytest.mark.parametrize("token_budget", [2, 3, 64])
def test_cancels_at_15_and_19_ms_with_shared_prefixes(token_budget: int, num_pages: int) -> None:
    """Then the same requests again, on what the cancelled ones left in the cache."""
    clock = Milliseconds()
    harness = Harness(token_budget=token_budget, num_pages=num_pages, clock=clock)
    prompts = [[*PREFIX[:20], index // 2, index] for index in range(6)]
    cancel_at_ms = {1: 15, 2: 15, 3: 19, 5: 19}
    operations = [[tokens(*prompt), gen(20)] for prompt in prompts]
    listening: list[Listening] = []
    while harness.core.has_work or len(listening) < len(prompts):
        if len(listening) < len(prompts) and clock.now_ms % 2 == 0:  # one arrives every other millisecond
            listening.append(harness.submit(harness.core.open_branch(7, ""), operations[len(listening)]))
        for index, at_ms in cancel_at_ms.items():
            if clock.now_ms == at_ms:
                harness.core.cancel(listening[index].request)
                harness.core.check_integrity()
        harness.core.step()
        harness.core.check_integrity()
        clock.now_ms += 1
        assert clock.now_ms < 2000, "the engine does not come to an end"
    for index, (each, prompt) in enumerate(zip(listening, prompts, strict=True)):
        if index in cancel_at_ms:
            assert isinstance(each.error, RequestCancelled), index
        else:
            check_answer(each, prompt, gen(20).params)
    for prompt, again in zip(prompts, operations, strict=True):
        check_answer(harness.answer(again), prompt, gen(20).params)
    close_all(harness)


# --- memory


def test_the_counters_of_tree_and_pool_do_not_drift() -> None:
    """Rounds of the same work, with cancels and preemption, leave the same counters each time."""
    harness = Harness(num_pages=24, page_size=2, token_budget=6)
    seen = []
    for _ in range(12):
        listening = []
        for index in range(6):
            prompt = [*PREFIX[: 6 + index], index]
            branch_id = harness.core.open_branch(index, "")
            listening.append(harness.submit(branch_id, [tokens(*prompt), gen(9, n=1 + index % 2, temperature=1.0)]))
            harness.core.step()
        harness.core.cancel(listening[2].request)
        harness.core.step()
        harness.core.cancel(listening[4].request)
        harness.run()
        for branch in list(harness.core.branches.all()):
            harness.core.close_branch(branch.branch_id)
        harness.core.check_integrity()
        num_cached_tokens, num_evictable = harness.memory.cache.num_cached_tokens, harness.pool.num_evictable_pages
        assert harness.pool.num_free_pages + num_evictable == harness.pool.num_pages
        assert harness.memory.cache.flush() == num_evictable
        assert harness.memory.cache.num_cached_tokens == 0
        harness.check_all_returned()
        seen.append((num_cached_tokens, num_evictable, [each.error is None for each in listening]))
    assert harness.core.scheduler.num_preemptions > 0
    assert all(each == seen[0] for each in seen), "a round left something behind that changed the next"


@pytest.mark.parametrize(
    "impossible",
    [
        [tokens(*range(200, 260)), gen(2)],
        [tokens(*range(200, 220)), gen(40)],
        [tokens(*range(200, 205)), gen(2), tokens(*range(200, 260)), gen(2, name="y")],
        [tokens(*range(200, 260)), Fork(2)],
        [tokens(*range(200, 230)), Select("x", (" a choice that is long" * 3, " b"))],
    ],
    ids=["prompt", "length", "later", "fork", "choices"],
)
def test_a_request_that_can_never_fit_is_refused_and_the_rest_go_on(impossible: list[Operation]) -> None:
    harness = Harness(num_pages=8, page_size=4, token_budget=8)
    before = harness.submit(harness.core.open_branch(7, ""), [tokens(*PREFIX[:9]), gen(12)])
    for _ in range(3):
        harness.core.step()
    refused = harness.submit(harness.core.open_branch(7, ""), impossible)
    after = harness.submit(harness.core.open_branch(7, ""), [tokens(*PREFIX[:5]), gen(12)])
    harness.run(max_steps=200)
    assert isinstance(refused.error, RequestTooLong)
    check_answer(before, PREFIX[:9], gen(12).params)
    check_answer(after, PREFIX[:5], gen(12).params)
    close_all(harness)


# --- prefixes


@pytest.mark.parametrize("page_size", [1, 4, 16])
@pytest.mark.parametrize("prompt_len", [1, 2, 15, 16, 17])
def test_a_prompt_that_is_cached_as_a_whole_still_computes_its_last_token(prompt_len: int, page_size: int) -> None:
    harness = Harness(page_size=page_size)
    prompt = PREFIX[:prompt_len]
    check_answer(harness.answer([tokens(*prompt), gen(3)]), prompt, gen(3).params)
    for max_new_tokens in (1, 3):
        num_before = harness.core.num_computed_tokens
        warm = harness.answer([tokens(*prompt), gen(max_new_tokens)])
        check_answer(warm, prompt, gen(max_new_tokens).params)
        assert warm.samples()[0].cached_tokens == prompt_len - 1
        assert harness.core.num_computed_tokens - num_before == max_new_tokens
    close_all(harness)


@pytest.mark.parametrize("page_size", [1, 4, 16])
def test_warm_and_cold_cache_give_the_same_greedy_answer(page_size: int) -> None:
    """For a cache that holds any beginning of the prompt, or one that parts from it anywhere."""
    prompt, params = PREFIX[:20], gen(4).params
    expected = oracle(prompt, params)
    for cached_len in range(len(prompt) + 1):
        for rest in ([], [7, 8, 9]):
            harness = Harness(page_size=page_size, token_budget=6)
            if cached_len or rest:
                harness.answer([tokens(*prompt[:cached_len], *rest), gen(2)])
            assert harness.answer([tokens(*prompt), gen(4)]).token_ids() == expected, (cached_len, rest)
            assert harness.answer([tokens(*prompt), gen(4)]).token_ids() == expected, "twice"


@pytest.mark.parametrize("nothing", [Text(""), tokens()], ids=["text", "tokens"])
def test_an_append_of_length_zero(nothing: Operation) -> None:
    harness = Harness()
    alone = harness.answer([nothing])
    assert alone.error is None
    assert alone.text == ""
    first = oracle(PREFIX, gen(3).params)
    second = oracle([*PREFIX, *first], gen(2).params)
    operations = [nothing, tokens(*PREFIX), nothing, gen(3), nothing, nothing, gen(2, name="y"), nothing]
    for _ in range(2):  # cold and warm
        listening = harness.answer(operations)
        assert (listening.token_ids("x"), listening.token_ids("y")) == (first, second)
    forked = harness.answer([tokens(*PREFIX), nothing, Fork(2)])
    assert forked.error is None
    close_all(harness)


@pytest.mark.parametrize("page_size", [1, 4])
@pytest.mark.parametrize("token_budget", [1, 7, 256])
def test_identical_prompts_in_one_batch(token_budget: int, page_size: int) -> None:
    harness = Harness(token_budget=token_budget, page_size=page_size)
    operation = gen(4, temperature=1.0)
    listening = [harness.submit(harness.core.open_branch(seed, ""), [tokens(*PREFIX), operation]) for seed in range(6)]
    harness.run()
    for seed, each in enumerate(listening):
        check_answer(each, PREFIX, operation.params, seed)
    assert len({each.token_ids() for each in listening}) == 6, "their noise differs"
    # The prompt once; then, for each of the others, what is no whole page of it.
    assert harness.core.num_computed_tokens <= len(PREFIX) + 5 * page_size + 6 * 4
    close_all(harness)


# --- text


@pytest.mark.parametrize("token_budget", [1, 2, 3, 64])
def test_several_samples_with_a_stop_string_on_the_seam_of_two_chunks(token_budget: int) -> None:
    """The stop is the end of one token and the beginning of the next, of each sample in turn."""
    operation = gen(10, n=3, temperature=1.0)
    free = Harness().answer([tokens(*PREFIX), operation]).samples()
    assert free[0].token_ids == oracle(PREFIX, operation.params)
    num_stopped = 0
    for sample in free:
        pieces = [TOKENIZER.decode([token_id]) for token_id in sample.token_ids]
        stops = [left[-1] + right[0] for left, right in pairwise(pieces) if left and right]
        stop = next(stop for stop in stops[3:] if "�" not in stop)
        stopped = Harness(token_budget=token_budget).answer(
            [tokens(*PREFIX), gen(10, n=3, temperature=1.0, stop=(stop,)), tokens(1), gen(2, name="y")]
        )
        for whole, cut in zip(free, stopped.samples(), strict=True):
            assert cut.text == whole.text.split(stop)[0]
            assert (cut.finish_reason.matched == stop) == (stop in whole.text)
            num_stopped += stop in whole.text
        shown = "".join(each.text for each in stopped.events if isinstance(each, TextDelta) and each.name == "x")
        assert shown == stopped.samples()[0].text, "nothing of the stop was shown"
    assert num_stopped >= len(free)


def byte_tokens(text: str) -> list[int]:
    """The text, each byte a token of its own."""
    by_byte = {
        data[0]: index for index, data in enumerate(TOKENIZER.token_bytes) if data is not None and len(data) == 1
    }
    return [by_byte[byte] for byte in text.encode()]


def write(text: str, **fields: object) -> Listening:
    """What is heard of a generation that writes `text` byte by byte."""
    script = byte_tokens(text)
    harness = Harness(sampler=WrittenSampler(len(PREFIX), script))
    return harness.answer([tokens(*PREFIX), gen(len(script), **fields)])


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("naïve", "ï"),
        ("naïve", "aïv"),
        ("one 👩‍👩‍👧 two", "👩‍👧"),
        ("one 👩‍👩‍👧 two", "\N{ZERO WIDTH JOINER}👧 t"),
        ("price: 5 € net", " €"),
        ("ab\u0301c", "b\u0301"),
        ("日本語", "本"),
    ],
)
def test_a_stop_string_that_spans_a_multi_byte_character(text: str, stop: str) -> None:
    listening = write(text, stop=(stop,))
    (sample,) = listening.samples()
    assert sample.text == text[: text.index(stop)] == listening.text.removeprefix(_prompt_text())
    assert sample.finish_reason.matched == stop
    end = text.index(stop) + len(stop)
    assert len(sample.token_ids) == len(text[:end].encode()), "it ends with the last byte of the stop, not later"


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧‍👦",
        "👍🏽 ok",
        "🇫🇷🇯🇵",
        "e\u0301a\u0308o\u0302",
        "نَصّ",
        "한국어 \u1112\u1161\u11ab",
        "\N{MATHEMATICAL BOLD CAPITAL A}",
    ],
)
def test_emoji_and_combining_marks_across_tokens_come_whole(text: str) -> None:
    listening = write(text)
    deltas = [each for each in listening.events if isinstance(each, TextDelta) and each.name == "x"]
    assert [each.text for each in deltas] == list(text), "a character at a time, and no half of one"
    assert [len(each.token_ids) for each in deltas] == [len(character.encode()) for character in text]
    assert listening.samples()[0].text == text


@pytest.mark.parametrize("num_bytes", [1, 2, 3])
def test_half_an_emoji_at_the_end_is_one_replacement_character(num_bytes: int) -> None:
    script = byte_tokens("ok 👍")[: 3 + num_bytes]
    harness = Harness(sampler=WrittenSampler(len(PREFIX), script))
    (sample,) = harness.answer([tokens(*PREFIX), gen(len(script))]).samples()
    assert sample.text == "ok �"


def _prompt_text() -> str:
    return TOKENIZER.decode(PREFIX, skip_special_tokens=False)


# --- constraints


@pytest.mark.parametrize(
    "constraint",
    [
        Regex(r"[0-9]{3}-[a-f]{4} (yes|no)!"),
        JsonSchema(
            '{"type":"object","properties":{"a":{"type":"boolean"},"b":{"enum":["x","yy"]}},"required":["a","b"]}'
        ),
    ],
    ids=["regex", "schema"],
)
def test_preempting_in_the_middle_of_a_constrained_generation(constraint: Regex | JsonSchema) -> None:
    """A row that was preempted goes on where its constraint was: neither from its start nor one token further."""
    params = SamplingParams(max_new_tokens=25, temperature=1.0)
    operations: list[Operation] = [tokens(*PREFIX[:6]), Gen("x", params, constraint)]
    expected = [Harness().answer(operations, seed=seed).samples()[0] for seed in range(5)]
    for is_caching in (True, False):
        starved = Harness(num_pages=16, page_size=2, is_caching=is_caching)
        listening = [starved.submit(starved.core.open_branch(seed, ""), operations) for seed in range(5)]
        written_when_preempted: list[int] = []
        counts: dict[Row, int] = {}
        while starved.core.step():
            starved.core.check_integrity()
            for row in starved.core.branches.rows:
                if row.num_preemptions > counts.get(row, 0):
                    written_when_preempted.append(len(row.branch.token_ids) - 6)
                counts[row] = row.num_preemptions
        assert max(written_when_preempted) > 2, "the pool was too large to show anything"
        for each, free in zip(listening, expected, strict=True):
            (sample,) = each.samples()
            assert (sample.token_ids, sample.text) == (free.token_ids, free.text)
            assert sample.finish_reason.type == "length" or accepts(constraint, sample.text)
        close_all(starved)

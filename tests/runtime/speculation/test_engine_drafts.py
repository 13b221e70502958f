"""Guesses in an engine: the same tokens and ends as without, in fewer passes."""

from collections.abc import Sequence
from functools import partial

from engine_harness import COMPILER, TOKENIZER, Harness, gen, oracle, tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from prophet import Prophet

from palmette.lang.ir import Gen
from palmette.runtime.speculation.count_drafts import CountDrafts
from palmette.runtime.speculation.forced_drafts import ForcedDrafts
from palmette.runtime.speculation.radix_drafts import RadixDrafts
from palmette.runtime.speculation.segment_store import SegmentStore
from palmette.runtime.speculation.suffix_drafts import SuffixDrafts


def all_sources(cache: object) -> list[object]:
    return [
        ForcedDrafts(COMPILER.vocabulary, partial(TOKENIZER.encode, has_special=False)),
        RadixDrafts(cache),  # type: ignore[arg-type]
        SuffixDrafts(SegmentStore(4096)),
        CountDrafts(),
    ]


def test_what_was_written_before_comes_in_few_passes() -> None:
    harness = Harness(make_drafters=lambda cache: [RadixDrafts(cache)])
    prompt = [5, 6, 7, 8, 9]
    expected = oracle(prompt, gen(40, temperature=1.0).params, seed=3)
    for _ in range(2):
        before = harness.core.num_steps
        heard = harness.answer([tokens(*prompt), gen(40, temperature=1.0)], seed=3)
        assert heard.token_ids() == expected
        num_steps = harness.core.num_steps - before
    assert num_steps < 8
    harness.check_all_returned()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_guess_changes_an_answer(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from([4, 1, 3]), "page_size")
    requests: list[tuple[list[int], Gen, int]] = []
    answers: dict[tuple[int, ...], list[Sequence[int]]] = {}
    for index in range(data.draw(st.integers(1, 4), "num_requests")):
        prompt = [index + 1, *data.draw(st.lists(st.integers(1, 2), max_size=9), "prompt")]
        temperature = data.draw(st.sampled_from([0.0, 0.7, 1.0]), "temperature")
        penalty = data.draw(st.sampled_from([1.0, 1.3]), "penalty")
        operation = gen(data.draw(st.integers(1, 24), "len"), temperature=temperature, repetition_penalty=penalty)
        requests.append((prompt, operation, index))
        answers[tuple(prompt)] = [oracle(prompt, operation.params, seed=index)]
    prophet = Prophet(answers, TOKENIZER.vocab_size, data.draw(st.integers(0, 99), "seed"))
    harness = Harness(
        page_size=page_size,
        num_pages=data.draw(st.integers(-(-36 // page_size), -(-160 // page_size)), "num_pages"),
        token_budget=data.draw(st.integers(1, 40), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 4), "max_running_rows"),
        make_drafters=lambda cache: [prophet, *all_sources(cache)],  # type: ignore[list-item]
    )
    sent = []
    for prompt, operation, seed in requests:
        branch_id = harness.core.open_branch(seed, "")
        sent.append((branch_id, harness.submit(branch_id, [tokens(*prompt), operation])))
        for _ in range(data.draw(st.integers(0, 4), "steps")):
            harness.core.step()
            harness.core.check_integrity()
    harness.run()
    for (branch_id, heard), (prompt, _, _) in zip(sent, requests, strict=True):
        assert [heard.token_ids()] == answers[tuple(prompt)]
        harness.core.close_branch(branch_id)
    harness.check_all_returned()

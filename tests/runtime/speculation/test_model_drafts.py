"""A draft model: on the model of hashes, where draft and target are one, every guess is right, or a cell is wrong."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from engine_harness import VOCAB_SIZE, Harness, gen, oracle, tokens
from free_guessing import FREE_PASSES, ONE_SECOND
from hash_model import LAYOUT, HashModel
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.matcher import Matcher
from palmette.grammar.spec import Regex
from palmette.lang.ir import Gen
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.sampler import SampleRow
from palmette.runtime.speculation.draft_model import DraftModel
from palmette.runtime.speculation.drafter import DraftText
from palmette.runtime.speculation.model_drafts import ModelDrafts


class Drafting:
    """A harness whose rows are guessed for by the same model; what comes of each guess is kept."""

    def __init__(
        self,
        *,
        draft_vocab_size: int = VOCAB_SIZE,
        num_draft_pages: int = 256,
        draft_page_size: int = 4,
        draft_context_len: int = 1024,
        **options: object,
    ) -> None:
        pool = KVPool(LAYOUT, num_draft_pages, draft_page_size)
        self.model = HashModel(draft_vocab_size)
        self.drafts = ModelDrafts(
            DraftModel(self.model, pool, context_len=draft_context_len),
            VOCAB_SIZE,
            draft_cost=FREE_PASSES,
            target_cost=ONE_SECOND,
            clock=lambda: 0.0,
        )
        self.outcomes: list[bool] = []
        learn = self.drafts.odds.learn

        def keep(margin: float, is_right: bool) -> None:
            self.outcomes.append(is_right)
            learn(margin, is_right)

        self.drafts.odds.learn = keep  # type: ignore[method-assign]
        self.harness = Harness(make_drafters=lambda _: [self.drafts], **options)  # type: ignore[arg-type] # any option

    def check_all_returned(self) -> None:
        """Neither pool holds anything that a flush does not give back."""
        self.harness.check_all_returned()
        memory = self.drafts.model.memory
        assert memory.holders == []
        memory.check_integrity([])
        memory.cache.flush()
        assert memory.pool.num_free_pages == memory.pool.num_pages


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 1.0},
        {"temperature": 0.7, "top_k": 40, "top_p": 0.9},
        {"temperature": 1.0, "logit_bias": {7: 7.0, 8: 7.0, 9: 7.0, 10: 7.0}, "repetition_penalty": 1.3},
        {"temperature": 1.0, "logit_bias": {7: 7.0, 8: 7.0, 9: 7.0, 10: 7.0}, "frequency_penalty": 0.5},
        {"temperature": 1.0, "logit_bias": {7: 7.0, 8: 7.0, 9: 7.0, 10: 7.0}, "presence_penalty": 2.0},
    ],
)
def test_one_and_the_same_model_guesses_every_token(fields: dict[str, object]) -> None:
    drafting = Drafting()
    operation = gen(40, **fields)
    for prompt in ([5, 6, 7], [5, 6, 8, 9]):
        heard = drafting.harness.answer([tokens(*prompt), operation], seed=3)
        assert heard.token_ids() == oracle(prompt, operation.params, seed=3)
    assert len(drafting.outcomes) > 30
    assert all(drafting.outcomes)
    assert drafting.harness.core.num_steps < 40
    drafting.check_all_returned()


def test_what_the_target_finds_in_its_cache_is_not_taken_for_computed() -> None:
    drafting = Drafting()
    prompt = [*range(20, 50)]
    for last in (1, 2, 3):
        drafting.harness.answer([tokens(*prompt, last), gen(20, temperature=1.0)], seed=last)
        assert all(drafting.outcomes)
        if last == 2:
            drafting.drafts.model.memory.cache.flush()  # now only the target has the prompt
    (sample,) = drafting.harness.answer([tokens(*prompt, 4), gen(20, temperature=1.0)], seed=4).samples()
    assert sample.cached_tokens >= 28
    assert sample.token_ids == oracle([*prompt, 4], gen(20, temperature=1.0).params, seed=4)
    assert len(drafting.outcomes) > 40
    assert all(drafting.outcomes)
    drafting.check_all_returned()


def test_a_long_prompt_is_computed_over_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palmette.runtime.speculation.model_drafts._MAX_CATCH_UP", 64)
    drafting = Drafting()
    passes: list[int] = []
    drafting.model.on_pass = lambda batch: passes.append(batch.num_tokens)
    prompt = [*range(1, 151)]
    heard = drafting.harness.answer([tokens(*prompt), gen(24, temperature=1.0)], seed=2)
    assert heard.token_ids() == oracle(prompt, gen(24, temperature=1.0).params, seed=2)
    assert passes[:2] == [64, 64]
    assert max(passes) == 64
    assert drafting.outcomes
    assert all(drafting.outcomes)
    drafting.check_all_returned()


@pytest.mark.parametrize("num_more", [-64, -1, 1, 64])
def test_vocabularies_may_be_padded_otherwise(num_more: int) -> None:
    drafting = Drafting(draft_vocab_size=VOCAB_SIZE + num_more)
    operation = gen(20, temperature=1.0)
    for seed in range(3):
        prompt = [5, 6, 7 + seed]
        heard = drafting.harness.answer([tokens(*prompt), operation], seed=seed)
        assert heard.token_ids() == oracle(prompt, operation.params, seed=seed)
    right = drafting.outcomes.count(True)
    assert right > 20
    assert drafting.outcomes.count(False) <= (0 if num_more > 0 else 3), "a token that the draft model lacks"
    drafting.check_all_returned()


def test_a_token_that_the_draft_model_lacks_ends_its_guesses_and_nothing_else() -> None:
    drafting = Drafting(draft_vocab_size=VOCAB_SIZE - 8)
    prompt = [5, VOCAB_SIZE - 1, 7]
    heard = drafting.harness.answer([tokens(*prompt), gen(10)], seed=1)
    assert heard.token_ids() == oracle(prompt, gen(10).params, seed=1)
    assert drafting.outcomes == []
    assert drafting.harness.core.stats()["num_guesser_failures"] == 0
    drafting.check_all_returned()


def test_beyond_the_draft_models_context_nothing_is_guessed() -> None:
    drafting = Drafting(draft_context_len=16)
    prompt = [5, 6, 7]
    heard = drafting.harness.answer([tokens(*prompt), gen(40)], seed=1)
    assert heard.token_ids() == oracle(prompt, gen(40).params, seed=1)
    assert 0 < len(drafting.outcomes) <= 16
    assert all(drafting.outcomes)
    drafting.check_all_returned()


def test_guesses_keep_to_the_grammar() -> None:
    regex = Regex("[a-f]{3}(, [a-f]{3}){6}")
    operation = Gen("x", SamplingParams(max_new_tokens=60, temperature=1.0), regex)
    plain = Harness().answer([tokens(5, 6), operation], seed=4).token_ids()
    drafting = Drafting()
    heard = drafting.harness.answer([tokens(5, 6), operation], seed=4)
    assert heard.token_ids() == plain
    assert len(drafting.outcomes) > 5
    assert all(drafting.outcomes), "the mask of the target is that of the guesses"
    drafting.check_all_returned()


@dataclass
class Sampled:
    """Rows of a text without constraint, at temperature 0."""

    tape: list[int]

    def can_follow(self, ahead: Sequence[int], matcher: Matcher | None) -> bool:
        return True

    def row_after(self, ahead: Sequence[int], matcher: Matcher | None) -> SampleRow:
        return SampleRow(SamplingParams(temperature=0.0), 1, 0, len(self.tape) + len(ahead))


def test_a_text_that_was_cut_and_written_otherwise_is_followed() -> None:
    drafts = Drafting().drafts
    tape = [5, 6, 7]
    guesser = drafts.begin(DraftText("", tape, 3, rows=Sampled(tape)))
    assert guesser is not None
    params = gen(8).params

    def first_guess() -> int:
        drafts.prepare([guesser], 8)
        (longest, *_) = guesser.drafts(8)
        assert longest.token_ids == oracle(tape, params)[: len(longest.token_ids)]
        return longest.token_ids[0]

    tape.append(first_guess())
    tape += [30, 31, 32]  # not what was guessed
    first_guess()
    del tape[5:]
    tape += [40, 41, 42]  # longer than before the cut
    first_guess()
    del tape[4:]
    first_guess()
    drafts.end([guesser])
    assert drafts.model.memory.holders == []
    drafts.end([guesser])  # once more does nothing


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_short_memory_cancels_and_preemption_change_no_answer(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from([4, 1, 3]), "page_size")
    chooser = random.Random(data.draw(st.integers(0, 99), "seed"))
    drafting = Drafting(
        num_draft_pages=data.draw(st.integers(1, 40), "num_draft_pages"),
        draft_page_size=data.draw(st.sampled_from([4, 1, 3]), "draft_page_size"),
        page_size=page_size,
        num_pages=data.draw(st.integers(-(-36 // page_size), -(-120 // page_size)), "num_pages"),
        token_budget=data.draw(st.integers(1, 40), "token_budget"),
        max_running_rows=data.draw(st.integers(1, 4), "max_running_rows"),
    )
    core, memory = drafting.harness.core, drafting.drafts.model.memory
    sent = []
    for index in range(data.draw(st.integers(1, 5), "num_requests")):
        prompt = [chooser.randint(1, 2) for _ in range(chooser.randint(1, 10))]
        operation = gen(chooser.randint(1, 20), temperature=chooser.choice([0.0, 1.0]))
        branch_id = core.open_branch(index, "")
        heard = drafting.harness.submit(branch_id, [tokens(*prompt), operation])
        sent.append((branch_id, heard, prompt, operation, index))
        for _ in range(chooser.randint(0, 3)):
            core.step()
            core.check_integrity()
            memory.check_integrity(memory.holders)
    cancelled = sent[0][1] if data.draw(st.booleans(), "cancels") else None
    if cancelled is not None and cancelled.ended is None:
        core.cancel(cancelled.request)
    drafting.harness.run()
    for branch_id, heard, prompt, operation, seed in sent:
        if heard is not cancelled:
            assert heard.token_ids() == oracle(prompt, operation.params, seed=seed)
        core.close_branch(branch_id)
    assert all(drafting.outcomes), "the copies are right whatever was taken from them"
    assert core.stats()["num_guesser_failures"] == 0
    drafting.check_all_returned()


def test_a_draft_model_that_fails_is_asked_no_more_and_holds_nothing() -> None:
    drafting = Drafting()
    drafting.model.failures = [RuntimeError("no"), RuntimeError("no")]
    heard = drafting.harness.answer([tokens(5, 6, 7), gen(10)], seed=1)
    assert heard.token_ids() == oracle([5, 6, 7], gen(10).params, seed=1)
    assert drafting.harness.core.stats()["num_guesser_failures"] == 1
    drafting.check_all_returned()


def test_rows_are_guessed_for_in_one_pass() -> None:
    drafting = Drafting()
    num_rows: list[int] = []
    drafting.model.on_pass = lambda batch: num_rows.append(batch.num_rows)
    core = drafting.harness.core
    branches = [core.open_branch(seed, "") for seed in range(4)]
    for branch_id in branches:
        drafting.harness.submit(branch_id, [tokens(5 + branch_id, 6, 7), gen(12, temperature=1.0)])
    drafting.harness.run()
    assert num_rows[0] == 4
    assert sum(num_rows) > 2 * len(num_rows)
    for branch_id in branches:
        core.close_branch(branch_id)
    drafting.check_all_returned()


def test_texts_of_other_namespaces_are_not_shared() -> None:
    drafting = Drafting()
    prompt = [*range(20, 40)]
    computed: list[int] = []
    drafting.model.on_pass = lambda batch: computed.append(batch.num_tokens)
    for namespace, num_first in (("a", 20), ("a", 1), ("b", 20)):
        computed.clear()
        drafting.harness.answer([tokens(*prompt), gen(4)], namespace=namespace)
        assert computed[0] == num_first


def test_a_flush_of_the_engine_flushes_the_draft_models_cache() -> None:
    drafting = Drafting()
    drafting.harness.answer([tokens(*range(20, 50)), gen(20)], seed=1)
    memory = drafting.drafts.model.memory
    assert memory.cache.num_cached_tokens > 30
    drafting.harness.core.flush_cache()
    assert memory.cache.num_cached_tokens == 0
    assert memory.pool.num_free_pages == memory.pool.num_pages

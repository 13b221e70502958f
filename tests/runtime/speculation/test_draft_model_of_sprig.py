"""bud guesses for sprig: the same answers, most guesses right where noise is shared, and options that are refused."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from free_guessing import guess_freely, model_config, model_drafts

from palmette.grammar.matcher import Matcher
from palmette.grammar.spec import JsonSchema
from palmette.lang.events import GenResult, ValueReady
from palmette.lang.ir import Gen, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.assembly import SPRIG, EngineParts, assemble
from palmette.runtime.config import EngineConfig
from palmette.runtime.errors import InvalidOption
from palmette.runtime.operations.gen import GenTask
from palmette.runtime.sampler import SampleRow
from palmette.runtime.speculation.draft import SOURCES
from palmette.runtime.speculation.draft_model import check_same_tokenizer
from palmette.runtime.text.tokenizer import Tokenizer

BUD = SPRIG.parent / "bud"

QUESTIONS = ("What is the capital of France?", "Tell me a story about a fox.", "How do I make tea?")

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def chat(question: str) -> Text:
    return Text(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n", has_special=True)


def answers(parts: EngineParts, gens: Sequence[tuple[str, Gen]]) -> list[GenResult]:
    """One after the other, each on a branch with a seed of its own."""
    results: list[GenResult] = []

    def listen(item: object) -> None:
        if isinstance(item, ValueReady):
            assert isinstance(item.result, tuple)
            results.extend(item.result)

    for question, gen in gens:
        parts.core.submit_alone((chat(question), gen), listen)
        while parts.core.step():
            parts.core.check_integrity()
    return results


def gens(max_new_tokens: int = 24) -> list[tuple[str, Gen]]:
    """Chat at three temperatures, with filters and penalties, and an extraction."""
    params = [
        SamplingParams(max_new_tokens=max_new_tokens, temperature=temperature, seed=7, **fields)  # type: ignore[arg-type]
        for temperature, fields in (
            (0.0, {}),
            (1.0, {}),
            (0.8, {"top_p": 0.9, "top_k": 50}),
            (1.0, {"repetition_penalty": 1.2, "frequency_penalty": 0.3}),
        )
    ]
    chats = [(question, Gen("x", each)) for question in QUESTIONS for each in params]
    schema = JsonSchema(json.dumps(PERSON))
    return [*chats, *(("Extract the person: Maria Lopez, 34.", Gen("x", each, schema)) for each in params[:2])]


@pytest.fixture(scope="module")
def expected() -> list[GenResult]:
    return answers(assemble(model_config(speculation="off")), gens())


def test_answers_are_those_without_a_draft_model(expected: list[GenResult]) -> None:
    parts = assemble(model_config(speculation="model", draft_model="bud"))
    speculator = guess_freely(parts)
    answered = answers(parts, gens())
    assert [each.token_ids for each in answered] == [each.token_ids for each in expected]
    num_tokens = sum(len(each.token_ids) for each in answered)
    stats = parts.core.stats()
    assert stats["num_guesser_failures"] == 0
    assert stats["num_accepted_tokens"] > 0.4 * num_tokens
    memory = model_drafts(speculator).model.memory
    assert memory.holders == []
    memory.cache.flush()
    assert memory.pool.num_free_pages == memory.pool.num_pages


def share_of_right_guesses() -> float:
    parts = assemble(model_config(speculation="model", draft_model="bud"))
    odds = model_drafts(guess_freely(parts)).odds
    outcomes: list[bool] = []
    odds.learn = lambda margin, is_right: outcomes.append(is_right)  # type: ignore[method-assign, misc, assignment]
    params = [SamplingParams(max_new_tokens=40, temperature=1.0, seed=seed) for seed in range(2)]
    questions = (*QUESTIONS, "Write a story about a lighthouse.", "Tell me about yourself.")
    answers(parts, [(question, Gen("x", each)) for question in questions for each in params])
    assert len(outcomes) > 100
    return sum(outcomes) / len(outcomes)


def test_guesses_that_share_the_targets_noise_are_right_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    coupled = share_of_right_guesses()
    row_after = GenTask.row_after

    def with_other_noise(task: GenTask, ahead: Sequence[int], matcher: Matcher | None) -> SampleRow:
        row = row_after(task, ahead, matcher)
        return replace(row, seed=row.seed ^ 0x5555)

    monkeypatch.setattr(GenTask, "row_after", with_other_noise)
    uncoupled = share_of_right_guesses()
    assert coupled > uncoupled + 0.04, (coupled, uncoupled)


def test_a_model_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(BUD, folder)
    source = json.loads((folder / "tokenizer.json").read_text())
    vocab = source["model"]["vocab"]
    first, second = (token for token, token_id in vocab.items() if token_id in (300, 301))
    vocab[first], vocab[second] = vocab[second], vocab[first]
    (folder / "tokenizer.json").write_text(json.dumps(source))
    with pytest.raises(InvalidOption, match=r"draft_model: expected .* the tokenizer of the target.* token 300"):
        assemble(model_config(draft_model=folder))


def test_a_tokenizer_with_other_padding_is_the_same() -> None:
    target = Tokenizer.from_folder(SPRIG)
    padded = Tokenizer.from_folder(BUD, vocab_size=target.vocab_size + 64)
    check_same_tokenizer(target, padded, "draft_model")
    check_same_tokenizer(padded, target, "draft_model")


def test_the_source_and_the_model_belong_together() -> None:
    assert EngineConfig.from_options(draft_model="bud").speculation.sources == SOURCES
    assert "model" not in EngineConfig.from_options().speculation.sources
    with pytest.raises(InvalidOption, match="the source 'model' wants a draft_model"):
        EngineConfig.from_options(speculation="radix,model")
    for sources in ("off", "radix"):
        with pytest.raises(InvalidOption, match="draft_model: got 'bud', but speculation"):
            EngineConfig.from_options(speculation=sources, draft_model="bud")
    for wrong in (3, ""):
        with pytest.raises(InvalidOption, match="draft_model: expected a folder"):
            EngineConfig.from_options(draft_model=wrong)  # type: ignore[arg-type] # that is what is tested

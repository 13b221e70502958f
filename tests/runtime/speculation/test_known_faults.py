"""Faults that speculative decoders are known for, one test each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from engine_harness import Harness, Listening, tokens
from tiny_language import COMPILER, TOKENIZER, VOCAB_SIZE

from palmette.grammar.matcher import Matcher
from palmette.grammar.spec import Any, Constraint, Reasoned, Reasoning, Regex
from palmette.kernels import philox
from palmette.lang.ir import Gen
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.models.batch import Batch
from palmette.runtime.speculation.draft import Draft, Source
from palmette.runtime.speculation.drafter import DraftText

PROMPT = (0, 1, 2, 0, 1)
SEED = 5


@dataclass
class Told:
    """Guesses what it is told: all of `answer` from its n-th token on, where n tokens are written."""

    answer: Callable[[int], Sequence[Sequence[int]]]
    source: Source = "suffix"
    text: DraftText | None = None

    def begin(self, text: DraftText) -> "Told":
        return Told(self.answer, self.source, text)

    def drafts(self, max_len: int) -> Iterable[Draft]:
        assert self.text is not None
        for way in self.answer(len(self.text.token_ids) - self.text.start):
            kept = tuple(way[:max_len])
            yield Draft(kept, (0.9,) * len(kept), self.source)


def ask(harness: Harness, constraint: Constraint | None = None, **fields: object) -> Listening:
    """One generation behind the prompt."""
    given: dict[str, object] = {"temperature": 1.0, "ignore_eos": True, "max_new_tokens": 24, **fields}
    return harness.answer([tokens(*PROMPT), Gen("x", SamplingParams(**given), constraint)], seed=SEED)  # type: ignore[arg-type] # any field


def plain() -> Harness:
    return Harness(tokenizer=TOKENIZER, compiler=COMPILER)


def guessing(answer: Callable[[int], Sequence[Sequence[int]]]) -> Harness:
    return Harness(tokenizer=TOKENIZER, compiler=COMPILER, make_drafters=lambda cache: [Told(answer)])


def told_from(token_ids: Sequence[int], *beyond: int) -> Callable[[int], Sequence[Sequence[int]]]:
    """The whole answer as one guess, and what would come after its end."""
    whole = (*token_ids, *beyond)
    return lambda num_written: [whole[num_written:]]


def check_same(constraint: Constraint | None = None, beyond: Sequence[int] = (7, 8, 9), **fields: object) -> Harness:
    """The answer, guessed whole and more, is the answer without guesses, and comes in a pass or a few."""
    expected = ask(plain(), constraint, **fields)
    (sample,) = expected.samples()
    # What ends a text is no part of it, and would be guessed, too.
    ends = [*TOKENIZER.eos_token_ids, *fields.get("stop_token_ids", ())]  # type: ignore[misc]
    harness = guessing(
        lambda num_written: [
            (*sample.token_ids[num_written:], *beyond),
            *((*sample.token_ids[num_written:], end, *beyond) for end in ends),
        ]
    )
    heard = ask(harness, constraint, **fields)
    assert heard.samples()[0].token_ids == sample.token_ids
    assert heard.samples()[0].finish_reason == sample.finish_reason
    assert heard.text == expected.text
    stats = harness.core.stats()
    assert stats["num_guesser_failures"] == 0
    assert stats["num_accepted_tokens"] >= min(len(sample.token_ids) - 1, 4), "the guesses were looked at"
    return harness


def test_a_matcher_is_not_asked_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filling or accepting after termination."""
    constraint = Regex("ab(cd|é)e!")
    matcher_type: type[Matcher] = type(COMPILER.compile(constraint).new_matcher())
    fill, accept = matcher_type.fill_bitmask, matcher_type.accept

    def checked_fill(matcher: Matcher, row: torch.Tensor) -> bool:
        assert not matcher.is_terminated, "a mask was filled after the end"
        return fill(matcher, row)

    def checked_accept(matcher: Matcher, token_id: int) -> bool:
        assert not matcher.is_terminated, "a token was taken after the end"
        return accept(matcher, token_id)

    monkeypatch.setattr(matcher_type, "fill_bitmask", checked_fill)
    monkeypatch.setattr(matcher_type, "accept", checked_accept)
    check_same(constraint)


@pytest.mark.parametrize("wrong", [VOCAB_SIZE - 1, len(TOKENIZER.token_bytes)])
def test_padding_tokens_in_a_draft(wrong: int) -> None:
    """Ids that the model has a logit for, and the tokenizer no text."""
    assert wrong >= len(TOKENIZER.token_bytes) or TOKENIZER.token_bytes[wrong] is None or wrong == VOCAB_SIZE - 1
    (sample,) = ask(plain()).samples()
    answer = list(sample.token_ids)
    harness = guessing(lambda num_written: [[*answer[num_written : num_written + 3], wrong, wrong]])
    assert ask(harness).token_ids() == sample.token_ids
    assert harness.core.stats()["num_accepted_tokens"] >= 4


def test_an_end_of_reasoning_inside_the_window() -> None:
    """What is guessed behind the mark is held to the answer's constraint from the mark on."""
    constraint = Reasoned(Regex("(a|b)c{2,4}d"), Reasoning(begin="", end="!"))
    check_same(constraint, max_new_tokens=64)


def test_a_constraint_that_begins_inside_the_window_forbids_wrong_guesses() -> None:
    constraint = Reasoned(Regex("(a|b)c{2,4}d"), Reasoning(begin="", end="!"))
    (sample,) = ask(plain(), constraint, max_new_tokens=64).samples()
    mark = TOKENIZER.encode("!", has_special=False)[0]
    assert mark in sample.token_ids
    end = sample.token_ids.index(mark) + 1
    illegal = TOKENIZER.encode("fgh", has_special=False)
    harness = guessing(
        lambda num_written: [(*sample.token_ids[num_written:end], *illegal)] if num_written < end else []
    )
    assert ask(harness, constraint, max_new_tokens=64).token_ids() == sample.token_ids


@pytest.mark.parametrize(
    "fields",
    [
        {"max_new_tokens": 7},
        {"ignore_eos": False, "max_new_tokens": 200},
        {"stop_token_ids": (3, 9, 20), "max_new_tokens": 100},
        {"stop": ("a", "é"), "max_new_tokens": 100},
        {"stop_regex": ("[ab]c",), "max_new_tokens": 100},
        {"stop": ("a",), "min_new_tokens": 12, "max_new_tokens": 100},
    ],
    ids=lambda fields: ",".join(fields),
)
def test_a_finish_inside_the_window(fields: dict[str, object]) -> None:
    num_accepted = 0
    for seed in range(4):
        harness = check_same(seed=seed, **fields)
        harness.check_all_returned()
        num_accepted += harness.core.stats()["num_accepted_tokens"]
    assert num_accepted > 10


def test_wrong_guesses_never_stand_still() -> None:
    """A stuck output: each pass writes a token, whatever is guessed."""
    (sample,) = ask(plain()).samples()
    harness = guessing(lambda num_written: [[(sample.token_ids[num_written] + 1) % VOCAB_SIZE] * 5])
    assert ask(harness).token_ids() == sample.token_ids
    stats = harness.core.stats()
    assert stats["num_accepted_tokens"] == 0
    assert stats["num_drafted_tokens"] > 0
    assert stats["num_steps"] <= len(sample.token_ids) + 1


def test_pages_of_wrong_guesses_come_back_at_once() -> None:
    """Between two steps a text has the pages of what is computed of it, and no more."""
    (sample,) = ask(plain()).samples()
    harness = Harness(
        tokenizer=TOKENIZER,
        compiler=COMPILER,
        page_size=1,
        make_drafters=lambda cache: [
            Told(lambda num_written: [[(sample.token_ids[min(num_written, 23)] + 1) % VOCAB_SIZE] * 5])
        ],
    )
    branch_id = harness.core.open_branch(SEED, "")
    params = SamplingParams(max_new_tokens=24, temperature=1.0, ignore_eos=True)
    heard = harness.submit(branch_id, [tokens(*PROMPT), Gen("x", params)])
    (branch,) = harness.core.branches.all()
    while heard.ended is None:
        harness.core.step()
        assert len(branch.page_table) == branch.num_computed
    assert heard.token_ids() == sample.token_ids
    assert harness.core.stats()["num_drafted_tokens"] > 0


def test_positions_are_depths_in_the_tree() -> None:
    """Siblings have one position, however many nodes lie between them; so has the noise of what follows them."""
    (sample,) = ask(plain()).samples()

    def bushy(num_written: int) -> list[list[int]]:
        right = list(sample.token_ids[num_written : num_written + 4])
        wrong = [[(token_id + shift) % VOCAB_SIZE for token_id in right] for shift in (1, 2)]
        return [*wrong, right]

    harness = guessing(bushy)
    seen: list[Batch] = []
    harness.model.on_pass = seen.append
    assert ask(harness).token_ids() == sample.token_ids
    assert harness.core.stats()["num_accepted_tokens"] >= 4
    trees = [batch for batch in seen if batch.ancestor_masks[0] is not None]
    assert trees
    for batch in trees:
        positions = batch.positions.tolist()
        assert len(set(positions)) < len(positions), "siblings share a position"
        root = min(position for position in positions if positions.count(position) > 1)
        assert max(positions) < root + 4, "and none is counted by index"


def test_a_coin_of_exactly_0() -> None:
    """Noise whose random word is 0, or all ones, is a finite number: no token is sure to win or lose."""
    words = np.array([0, 2**32 - 1], dtype=np.int64)
    noise = philox._gumbel_of_words(words)
    assert np.isfinite(noise).all()
    assert noise[0] < noise[1]


def test_nothing_past_a_stop_gets_into_the_cache() -> None:
    """Overshoot in cache keys: cells of guesses behind the end are given back, and no later text finds them."""
    (sample,) = ask(plain(), stop=("a",), max_new_tokens=100).samples()
    overshoot = (7, 8, 9)
    harness = guessing(told_from(sample.token_ids, *TOKENIZER.encode("a", has_special=False), *overshoot))
    heard = ask(harness, stop=("a",), max_new_tokens=100)
    assert heard.token_ids() == sample.token_ids
    whole = [*PROMPT, *sample.token_ids]
    cached = harness.memory.cache.match_prefix("", [*whole, *TOKENIZER.encode("a", has_special=False), *overshoot])
    assert cached.num_tokens <= len(whole)
    assert harness.memory.cache.num_cached_tokens <= len(whole)
    harness.check_all_returned()


def test_any_text_may_be_guessed_where_all_is_allowed() -> None:
    check_same(Any())

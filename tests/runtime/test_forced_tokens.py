"""What a generation says of its tokens: which were forced, and which text they came with."""

import torch
from engine_harness import COMPILER, TOKENIZER, VOCAB_SIZE, Harness, gen, tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.spec import Choice, Constraint, JsonSchema, Regex
from palmette.kernels.token_bitmask import count_up_to_two, mask_words, pack_token_bitmask, unpack_token_bitmask
from palmette.lang.events import GenResult, TextDelta
from palmette.lang.ir import Gen

SCHEMA = '{"type": "object", "properties": {"name": {"enum": ["Ann", "Bob"]}}, "required": ["name"]}'


@given(st.sets(st.integers(0, VOCAB_SIZE - 1), max_size=3))
def test_allowed_tokens_are_counted_up_to_two(allowed: set[int]) -> None:
    row = torch.zeros(1, VOCAB_SIZE, dtype=torch.bool)
    row[0, list(allowed)] = True
    assert count_up_to_two(pack_token_bitmask(row)) == [min(len(allowed), 2)]


def forced_by_the_matcher(constraint: Constraint, result: GenResult) -> tuple[int, ...]:
    """Walk the matcher again and count what it allows before each token."""
    matcher = COMPILER.compile(constraint).new_matcher()
    forced = []
    for index, token_id in enumerate(result.token_ids):
        bitmask = torch.zeros(mask_words(VOCAB_SIZE), dtype=torch.int32)
        matcher.fill_bitmask(bitmask)
        if int(unpack_token_bitmask(bitmask[None], VOCAB_SIZE).sum()) == 1:
            forced.append(index)
        matcher.accept(token_id)
    return tuple(forced)


@settings(max_examples=25, deadline=None)
@given(
    constraint=st.sampled_from([Regex("ab{3}[xy]c"), JsonSchema(SCHEMA), Choice(("yes", "yesterday", "no"))]),
    seed=st.integers(0, 1000),
)
def test_forced_tokens_are_those_that_had_no_rival(constraint: Constraint, seed: int) -> None:
    params = gen(40, temperature=1.0, ignore_eos=False).params
    (sample,) = Harness().answer([tokens(1, 2), Gen("x", params, constraint)], seed=seed).samples()
    assert sample.forced == forced_by_the_matcher(constraint, sample)


def test_some_tokens_are_forced_and_without_a_constraint_none() -> None:
    (sample,) = Harness().answer([tokens(1, 2), Gen("x", gen(40).params, Regex("(zq){3}"))]).samples()
    assert sample.forced
    assert Harness().answer([tokens(1, 2), gen(4)]).samples()[0].forced == ()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), stop=st.sampled_from(["", "e", "a"]))
def test_text_comes_with_its_tokens(seed: int, stop: str) -> None:
    operation = gen(12, temperature=1.0, **({"stop": (stop,)} if stop else {}))
    listening = Harness().answer([tokens(1, 2), operation], seed=seed)
    deltas = [event for event in listening.events if isinstance(event, TextDelta) and event.name == "x"]
    told = tuple(token_id for delta in deltas for token_id in delta.token_ids)
    (sample,) = listening.samples()
    assert told == sample.token_ids[: len(told)]
    if not stop:
        assert TOKENIZER.decode(list(sample.token_ids[len(told) :])) == "", "what comes last may have no text"
        text = ""
        num_tokens = 0
        for delta in deltas:
            text += delta.text
            num_tokens += len(delta.token_ids)
            whole = TOKENIZER.decode(list(sample.token_ids[:num_tokens]))
            assert whole.startswith(text.rstrip("�"))

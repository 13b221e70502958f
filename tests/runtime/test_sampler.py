"""The sampler: its order of operations against a naive one, rows apart from each other, errors that name the row."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from palmette.kernels.philox import gumbel
from palmette.kernels.token_bitmask import pack_token_bitmask
from palmette.lang.errors import InvalidArgument
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.sampler import InvalidLogits, NoTokenAllowed, SampledToken, Sampler, SampleRow

VOCAB_SIZE = 70


def make_row(seed: int = 0, path: int = 0, position: int = 0, **fields: Any) -> SampleRow:
    """A row; fields of `SampleRow` go there, all others into its params."""
    own = {name: fields.pop(name) for name in list(fields) if name in SampleRow.__slots__}
    return SampleRow(params=SamplingParams(**fields), seed=seed, path=path, position=position, **own)


def make_mask(*allowed: int, vocab_size: int = VOCAB_SIZE) -> Tensor:
    mask = torch.zeros(1, vocab_size, dtype=torch.bool)
    mask[0, list(allowed)] = True
    return pack_token_bitmask(mask)[0]


def naive_token(logits: list[float], row: SampleRow, mask: set[int] | None) -> int:
    """The order of operations, written out on Python floats."""
    params = row.params
    # The adjusted logits are float32 in the sampler, so rounding here is float32 too.
    values = [torch.tensor(logit) for logit in logits]
    if params.repetition_penalty != 1:
        for token_id in set(row.seen_token_ids):
            value = values[token_id]
            values[token_id] = value / params.repetition_penalty if value > 0 else value * params.repetition_penalty
    for token_id, count in row.output_counts.items():
        values[token_id] = values[token_id] - torch.tensor(
            count * params.frequency_penalty + params.presence_penalty, dtype=torch.float32
        )
    for token_id, bias in params.logit_bias.items():
        values[token_id] = values[token_id] + torch.tensor(bias, dtype=torch.float32)
    scores = {i: value.item() for i, value in enumerate(values) if value.item() > -math.inf}
    scores = {i: score for i, score in scores.items() if i not in row.banned_token_ids and (mask is None or i in mask)}
    order = sorted(scores, key=lambda i: (-scores[i], i))
    if params.temperature == 0:
        return order[0]
    best = scores[order[0]]
    weights = {i: math.exp((scores[i] - best) / params.temperature) for i in order}
    order = order[: params.top_k]
    total, mass, kept = sum(weights[i] for i in order), 0.0, []
    for i in order:
        if params.top_p < 1 and mass >= params.top_p * total:
            break
        kept.append(i)
        mass += weights[i]
    kept = [i for i in kept if weights[i] >= params.min_p]
    noise = gumbel([row.seed], [row.path], [row.position], len(logits))[0].tolist()
    return max(kept, key=lambda i: (scores[i] - best) / params.temperature + noise[i])


@st.composite
def rows_with_masks(draw: st.DrawFn) -> tuple[SampleRow, set[int] | None]:
    """Any row, with what its mask allows."""
    token_ids = st.integers(0, VOCAB_SIZE - 1)
    mask = draw(st.none() | st.sets(token_ids, min_size=4, max_size=VOCAB_SIZE))
    params = {
        "temperature": draw(st.sampled_from([0.0, 0.3, 1.0, 1.7])),
        "top_k": draw(st.sampled_from([None, 1, 2, 5, 1000])),
        "top_p": draw(st.sampled_from([0.1, 0.55, 0.9, 1.0])),
        "min_p": draw(st.sampled_from([0.0, 0.013, 0.31])),
        "frequency_penalty": draw(st.sampled_from([0.0, 0.7, -0.4])),
        "presence_penalty": draw(st.sampled_from([0.0, 1.1, -0.9])),
        "repetition_penalty": draw(st.sampled_from([1.0, 1.3, 0.8])),
        "logit_bias": draw(st.dictionaries(token_ids, st.floats(-5, 5, width=32), max_size=4)),
    }
    row = make_row(
        seed=draw(st.integers(0, 2**64 - 1)),
        path=draw(st.integers(0, 2**64 - 1)),
        position=draw(st.integers(0, 2**20)),
        bitmask=None if mask is None else make_mask(*mask),
        banned_token_ids=draw(st.sets(token_ids, max_size=3)),
        output_counts=draw(st.dictionaries(token_ids, st.integers(1, 9), max_size=6)),
        seen_token_ids=draw(st.lists(token_ids, max_size=12)),
        **params,
    )
    return row, mask


@settings(max_examples=40, deadline=None)
@given(st.lists(rows_with_masks(), min_size=1, max_size=6), st.integers(0, 2**31), st.sampled_from([0.5, 3.0, 20.0]))
def test_any_row_gives_the_naive_token_alone_and_in_a_batch(
    cases: list[tuple[SampleRow, set[int] | None]], seed: int, scale: float
) -> None:
    logits = torch.randn(len(cases), VOCAB_SIZE, generator=torch.Generator().manual_seed(seed)) * scale
    sampler = Sampler(VOCAB_SIZE)
    together = sampler.sample(logits, [row for row, _ in cases])
    for i, (row, mask) in enumerate(cases):
        assert together[i].token_id == naive_token(logits[i].tolist(), row, mask)
        assert sampler.sample(logits[i : i + 1], [row]) == [together[i]]


def mixed_rows(num_rows: int, vocab_size: int) -> list[SampleRow]:
    """Greedy and drawn, plain and adjusted, with and without log-probabilities."""
    kinds: list[dict[str, Any]] = [
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"temperature": 0.0, "bitmask": make_mask(*range(0, vocab_size, 3), vocab_size=vocab_size)},
        {"temperature": 0.8, "top_p": 0.9, "wants_logprob": True, "num_top_logprobs": 3},
        {"temperature": 1.2, "top_k": 20, "bitmask": make_mask(*range(1, vocab_size, 5), vocab_size=vocab_size)},
        {"temperature": 1.0, "repetition_penalty": 1.2, "seen_token_ids": [1, 2, 3], "banned_token_ids": {0}},
        {"temperature": 1.0, "min_p": 0.02, "frequency_penalty": 0.5, "output_counts": {4: 2}, "wants_logprob": True},
    ]
    return [make_row(seed=i, path=i * 7, position=i * 3, **kinds[i % len(kinds)]) for i in range(num_rows)]


@pytest.mark.parametrize("vocab_size", [257, 2048])
def test_no_batch_changes_a_row(vocab_size: int) -> None:
    generator = torch.Generator().manual_seed(5)
    rows = mixed_rows(21, vocab_size)
    logits = torch.randn(len(rows), vocab_size, generator=generator) * 2
    sampler = Sampler(vocab_size)
    before = logits.clone()
    alone = [sampler.sample(logits[i : i + 1], [rows[i]])[0] for i in range(len(rows))]
    assert sampler.sample(logits, rows) == alone
    for _ in range(15):
        chosen = torch.randperm(len(rows), generator=generator)[: int(torch.randint(1, 17, (), generator=generator))]
        batch = sampler.sample(logits[chosen], [rows[i] for i in chosen.tolist()])
        assert batch == [alone[i] for i in chosen.tolist()], "to the last bit, log-probabilities too"
    assert torch.equal(logits, before), "the caller's logits are left as they are"


def test_twice_the_same_row_is_twice_the_same_token() -> None:
    """The noise does not depend on earlier calls; at another position it is another."""
    sampler, logits = Sampler(VOCAB_SIZE), torch.zeros(1, VOCAB_SIZE)
    row = make_row(seed=3)
    tokens = {sampler.sample(logits, [row])[0].token_id for _ in range(5)}
    assert len(tokens) == 1
    assert len({sampler.sample(logits, [replace(row, position=i)])[0].token_id for i in range(20)}) > 10


def test_samples_follow_the_exact_distribution() -> None:
    """All at once: penalties, bias, mask, ban, temperature and top-k over six tokens, 20,000 positions of a text."""
    logits = torch.tensor([1.0, 0.5, -0.5, 2.0, 1.5, 3.0])
    num_draws = 20_000
    row = make_row(
        temperature=1.5, top_k=3, repetition_penalty=1.25, frequency_penalty=0.25, presence_penalty=0.5,
        logit_bias={2: 2.0}, seen_token_ids=(0, 2), output_counts={1: 2}, banned_token_ids=(5,),
        bitmask=make_mask(0, 1, 2, 4, 5, vocab_size=6), seed=11,
    )  # fmt: skip
    rows = [replace(row, position=i) for i in range(num_draws)]
    batch = logits.repeat(num_draws // 20, 1)
    counts: Counter[int] = Counter()
    for first in range(0, num_draws, len(batch)):
        counts.update(token.token_id for token in Sampler(6).sample(batch, rows[first : first + len(batch)]))
    # 0: 1 / 1.25 = 0.8; 1: 0.5 - 2 * 0.25 - 0.5 = -0.5, fourth; 2: -0.5 * 1.25 + 2 = 1.375; 3: masked; 5: banned
    weights = {0: math.exp(0.8 / 1.5), 2: math.exp(1.375 / 1.5), 4: math.exp(1.5 / 1.5)}
    total = sum(weights.values())
    assert set(counts) == set(weights)
    expected = {i: num_draws * weight / total for i, weight in weights.items()}
    assert sum((counts[i] - expected[i]) ** 2 / expected[i] for i in weights) < 13.8, "2 degrees of freedom, p = 0.001"


def test_logprobs_are_those_of_the_raw_model() -> None:
    logits = torch.tensor([[1.0, 2.0, 2.0, 0.0]])
    row = make_row(temperature=0.0, logit_bias={3: 50.0}, wants_logprob=True, num_top_logprobs=2)
    (token,) = Sampler(4).sample(logits, [row])
    expected = torch.log_softmax(logits[0].double(), dim=-1).tolist()
    assert token.token_id == 3
    assert token.logprob == pytest.approx(expected[3], abs=1e-12)
    assert [token_id for token_id, _ in token.top] == [1, 2]
    assert [logprob for _, logprob in token.top] == pytest.approx(expected[1:3], abs=1e-12)
    (plain,) = Sampler(4).sample(logits, [make_row(temperature=0.0)])
    assert (plain.token_id, plain.logprob, plain.top) == (1, None, ())


def test_a_row_without_an_allowed_token_is_told_of_alone() -> None:
    sampler, logits = Sampler(VOCAB_SIZE), torch.zeros(3, VOCAB_SIZE)
    rows = [
        make_row(temperature=0.0),
        make_row(bitmask=make_mask(5), banned_token_ids=[5]),
        make_row(bitmask=make_mask()),
    ]
    sampling = sampler.launch(logits, rows)
    assert sampling.token_ids.tolist()[0] == 0
    assert 0 <= int(sampling.token_ids.min()) <= int(sampling.token_ids.max()) < VOCAB_SIZE
    outcomes = sampling.read()
    assert [type(each) for each in outcomes] == [SampledToken, NoTokenAllowed, NoTokenAllowed]
    assert "expected at least one allowed token" in str(outcomes[1])
    (outcome,) = sampler.sample(torch.full((1, VOCAB_SIZE), -torch.inf), rows[:1])
    assert isinstance(outcome, NoTokenAllowed)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_told_of_alone(wrong: float, temperature: float) -> None:
    logits = torch.zeros(3, VOCAB_SIZE)
    logits[1, 7] = wrong
    rows = [make_row(temperature=temperature, bitmask=make_mask(1, 2)) for _ in range(3)]
    sampling = Sampler(VOCAB_SIZE).launch(logits, rows)
    assert 0 <= int(sampling.token_ids.min()) <= int(sampling.token_ids.max()) < VOCAB_SIZE
    assert [type(each) for each in sampling.read()] == [SampledToken, InvalidLogits, SampledToken]


def test_the_largest_bias_that_is_accepted_is_still_a_number_in_float32() -> None:
    (sampled,) = Sampler(VOCAB_SIZE).sample(torch.zeros(1, VOCAB_SIZE), [make_row(logit_bias={3: 1e30})])
    assert sampled.token_id == 3
    with pytest.raises(InvalidArgument):
        make_row(logit_bias={3: 1e300})


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("logit_bias", {"logit_bias": {VOCAB_SIZE: 1.0}}),
        ("banned_token_ids", {"banned_token_ids": (-1,)}),
        ("seen_token_ids", {"seen_token_ids": (VOCAB_SIZE,), "repetition_penalty": 1.5}),
        ("output_counts", {"output_counts": {VOCAB_SIZE + 3: 1}, "presence_penalty": 1.5}),
    ],
)
def test_token_ids_outside_the_vocabulary_never_reach_a_neighbour(name: str, fields: dict[str, Any]) -> None:
    rows = [make_row(**fields), make_row()]
    with pytest.raises(ValueError, match=rf"{name}: expected token ids in \[0, {VOCAB_SIZE}\)"):
        Sampler(VOCAB_SIZE).sample(torch.zeros(2, VOCAB_SIZE), rows)


def test_wrong_shapes_are_our_bug() -> None:
    sampler = Sampler(VOCAB_SIZE)
    assert sampler.sample(torch.zeros(0, VOCAB_SIZE), []) == []
    with pytest.raises(AssertionError, match="expected logits of shape"):
        sampler.sample(torch.zeros(2, VOCAB_SIZE), [make_row()])
    with pytest.raises(AssertionError, match="expected a bitmask of 3 words"):
        sampler.sample(torch.zeros(1, VOCAB_SIZE), [make_row(bitmask=torch.zeros(2, dtype=torch.int32))])

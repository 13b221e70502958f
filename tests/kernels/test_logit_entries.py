"""Penalties, biases and bans: their order and rounding, the table against applying them, ids that are not there."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.kernels.choice import Adjustments
from palmette.kernels.logit_entries import LogitEntries

VOCAB_SIZE = 40
TOKEN_IDS = st.integers(0, VOCAB_SIZE - 1)

ADJUSTMENTS = st.builds(
    Adjustments,
    repetition_penalty=st.sampled_from([1.0, 1.3, 0.7]),
    seen_token_ids=st.lists(TOKEN_IDS, max_size=8),
    frequency_penalty=st.sampled_from([0.0, 0.1]),
    presence_penalty=st.sampled_from([0.0, -0.3]),
    output_counts=st.dictionaries(TOKEN_IDS, st.integers(1, 5), max_size=5),
    logit_bias=st.dictionaries(TOKEN_IDS, st.floats(-3, 3), max_size=5),
    banned_token_ids=st.sets(TOKEN_IDS, max_size=4),
)


def one_by_one(logits: list[float], each: Adjustments) -> list[float]:
    """The definition, on numpy's float32."""
    values = [np.float32(logit) for logit in logits]
    for token_id in set(each.seen_token_ids):
        penalty = np.float32(each.repetition_penalty)
        values[token_id] = values[token_id] / penalty if values[token_id] > 0 else values[token_id] * penalty
    for token_id, count in each.output_counts.items():
        values[token_id] += np.float32(-count * each.frequency_penalty - each.presence_penalty)
    for token_id, bias in each.logit_bias.items():
        values[token_id] += np.float32(bias)
    return [-np.inf if i in each.banned_token_ids else float(value) for i, value in enumerate(values)]


@settings(max_examples=60, deadline=None)
@given(st.lists(ADJUSTMENTS, min_size=1, max_size=4), st.integers(0, 2**31))
def test_they_are_what_they_are_one_by_one(adjustments: list[Adjustments], seed: int) -> None:
    logits = torch.randn(len(adjustments), VOCAB_SIZE, generator=torch.Generator().manual_seed(seed))
    entries = LogitEntries(adjustments, VOCAB_SIZE)
    applied = logits.clone()
    entries.apply(applied)
    expected = [one_by_one(row.tolist(), each) for row, each in zip(logits, adjustments, strict=True)]
    assert applied.tolist() == expected
    # The table says the same: each token once, row after row.
    table, first = entries.table(), 0
    for row, end in enumerate(table.ends.tolist()):
        ids = table.token_ids[first:end]
        assert len(set(ids.tolist())) == len(ids)
        penalties, amounts, biases = table.values[:, first:end]
        values = logits[row].numpy()[ids]
        logits[row].numpy()[ids] = np.where(values > 0, values / penalties, values * penalties) + amounts + biases
        first = end
    assert logits.tolist() == expected
    assert first == len(table.token_ids)


def test_a_token_seen_twice_is_penalised_once() -> None:
    logits = torch.tensor([[2.0, -2.0, 3.0]])
    LogitEntries([Adjustments(repetition_penalty=2.0, seen_token_ids=[0, 0, 1])], 3).apply(logits)
    assert logits.tolist() == [[1.0, -4.0, 3.0]]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("logit_bias", {"logit_bias": {3: 1.0}}),
        ("banned_token_ids", {"banned_token_ids": (-1,)}),
        ("seen_token_ids", {"seen_token_ids": (7,), "repetition_penalty": 1.5}),
        ("output_counts", {"output_counts": {3: 1}, "presence_penalty": 1.5}),
    ],
)
def test_ids_outside_the_vocabulary_are_refused(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected token ids in \[0, 3\)"):
        LogitEntries([Adjustments(), Adjustments(**fields)], 3)


def test_adjustments_that_change_nothing_are_false() -> None:
    assert not Adjustments(seen_token_ids=(1,), output_counts={2: 3})
    assert not Adjustments(repetition_penalty=2.0, frequency_penalty=1.0, presence_penalty=1.0)
    assert Adjustments(presence_penalty=1.0, output_counts={2: 3})

"""Picks of a draft model: the target's rows on the draft's logits, whatever the padding of its vocabulary."""

import math

import pytest
import torch

from palmette.kernels.token_bitmask import pack_token_bitmask
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.sampler import Sampler, SampleRow
from palmette.runtime.speculation.coupled_sampling import CoupledSampling

VOCAB_SIZE = 40


def row(position: int = 0, *, allowed: tuple[int, ...] | None = None, **fields: object) -> SampleRow:
    mask = None
    if allowed is not None:
        bits = torch.zeros(1, VOCAB_SIZE, dtype=torch.bool)
        bits[0, list(allowed)] = True
        mask = pack_token_bitmask(bits)[0]
    return SampleRow(SamplingParams(**fields), 11, 22, position, mask)  # type: ignore[arg-type] # any field


@pytest.mark.parametrize("draft_vocab_size", [32, 40, 50])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_picks_are_what_the_target_would_draw_from_these_logits(draft_vocab_size: int, temperature: float) -> None:
    logits = torch.randn(6, draft_vocab_size, generator=torch.Generator().manual_seed(3)) - 9
    if draft_vocab_size > VOCAB_SIZE:
        logits[:, VOCAB_SIZE:] = 50.0  # what the target does not have is never drawn
    rows = [row(position, temperature=temperature) for position in range(6)]
    same = torch.full((6, VOCAB_SIZE), -math.inf)
    num_both = min(draft_vocab_size, VOCAB_SIZE)
    same[:, :num_both] = logits[:, :num_both]
    expected = [token.token_id for token in Sampler(VOCAB_SIZE).sample(same, rows)]
    picks = CoupledSampling(VOCAB_SIZE).pick(logits, rows)
    assert [pick.token_id for pick in picks if pick is not None] == expected
    for pick in picks:
        assert pick is not None
        assert pick.runner_up is not None
        assert pick.runner_up not in (pick.token_id, None)
        assert pick.runner_up < num_both
        assert 0 <= pick.margin < math.inf


def test_the_margin_is_that_of_logits_at_temperature_0() -> None:
    logits = torch.zeros(1, VOCAB_SIZE)
    logits[0, 7], logits[0, 3] = 5.0, 3.5
    (pick,) = CoupledSampling(VOCAB_SIZE).pick(logits, [row(temperature=0.0)])
    assert pick is not None
    assert (pick.token_id, pick.runner_up, pick.margin) == (7, 3, 1.5)


def test_rows_without_a_token_leave_the_others_alone() -> None:
    logits = torch.zeros(4, 32)
    logits[2] = math.nan
    rows = [row(allowed=(36, 37)), row(allowed=(5,)), row(), row(allowed=(4, 5, 36), temperature=0.0)]
    none, only, nan, two = CoupledSampling(VOCAB_SIZE).pick(logits, rows)
    assert none is None, "the draft model has no such token"
    assert nan is None
    assert only is not None
    assert (only.token_id, only.margin, only.runner_up) == (5, math.inf, None)
    assert two is not None
    assert (two.token_id, two.runner_up, two.margin) == (4, 5, 0.0)

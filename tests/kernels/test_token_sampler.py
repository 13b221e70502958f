"""The port to sampling: C against PyTorch, rows of every kind in one batch, what is reported of logits as they came."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.kernels.choice import Adjustments, Choice, Chosen
from palmette.kernels.cpu.library import VARIABLE
from palmette.kernels.draw import Draw
from palmette.kernels.host_sampling import sample_on_host
from palmette.kernels.token_bitmask import pack_token_bitmask
from palmette.kernels.token_sampler import TokenSampler

VOCAB_SIZE = 90


def a_choice(number: int, generator: torch.Generator) -> Choice:
    """One of 36 kinds."""
    shapes = ((1.0, None, 1.0, 0.0), (0.8, 9, 0.8, 0.01), None)
    shape = shapes[number % 3]
    draw = None if shape is None else Draw(*shape, seed=number, path=3, position=number)
    mask = pack_token_bitmask(torch.rand(1, VOCAB_SIZE, generator=generator) < 0.6)[0]
    adjustments = (Adjustments(), Adjustments(banned_token_ids=(4,)), Adjustments(1.4, (1, 2), 0.5, 0.0, {3: 2}))
    return Choice(
        draw,
        mask if number // 3 % 2 else None,
        adjustments[number // 6 % 3],
        wants_logprob=number // 18 % 2 == 0,
        num_top_logprobs=number % 5,
    )


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.integers(0, 35), min_size=1, max_size=9), seed=st.integers(0, 2**31))
def test_c_and_pytorch_choose_and_report_the_same(numbers: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(numbers), VOCAB_SIZE, generator=generator) * 3
    choices = [a_choice(number, generator) for number in numbers]
    before = logits.clone()
    chosen = TokenSampler(VOCAB_SIZE).sample(logits, choices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "off")
        in_torch = TokenSampler(VOCAB_SIZE).sample(logits, choices)
    assert torch.equal(logits, before)
    for row, (ours, other) in enumerate(zip(chosen, in_torch, strict=True)):
        assert sample_on_host(logits[row : row + 1], choices[row : row + 1]) == [ours], "alone as in the batch"
        assert (ours.token_id, ours.best, ours.logprob, ours.top) == (
            other.token_id,
            other.best,
            other.logprob,
            other.top,
        )
        assert (ours.log_mass is None) == (choices[row].bitmask is None)
        assert ours.log_mass == (None if other.log_mass is None else pytest.approx(other.log_mass, abs=1e-5))


def test_reports_are_of_the_logits_as_they_came() -> None:
    logits = torch.randn(1, VOCAB_SIZE, generator=torch.Generator().manual_seed(0))
    choice = Choice(
        None, adjustments=Adjustments(logit_bias={7: 50.0}), wants_logprob=True, num_top_logprobs=VOCAB_SIZE + 9
    )
    (chosen,) = TokenSampler(VOCAB_SIZE).sample(logits, [choice])
    expected = logits[0].double().log_softmax(0)
    assert (chosen.token_id, chosen.best) == (7, float(logits[0, 7] + 50))
    assert chosen.logprob == pytest.approx(float(expected[7]), abs=1e-12)
    assert [token_id for token_id, _ in chosen.top] == expected.argsort(descending=True, stable=True).tolist()
    assert sum(math.exp(logprob) for _, logprob in chosen.top) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("kernels", ["auto", "off"])
def test_rows_without_an_answer_say_so(monkeypatch: pytest.MonkeyPatch, kernels: str) -> None:
    monkeypatch.setenv(VARIABLE, kernels)
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(4, VOCAB_SIZE, generator=generator)
    logits[0, 5], logits[1, 6] = math.nan, math.inf
    only = torch.zeros(1, VOCAB_SIZE, dtype=torch.bool)
    only[0, 8] = True
    mask = pack_token_bitmask(only)[0]
    drawn = Draw(1.0, 5, 1.0, 0.0, 1, 2, 3)
    choices = [
        Choice(drawn, mask, wants_logprob=True),  # the mask hides the NaN
        Choice(None, mask),
        Choice(drawn, mask, Adjustments(banned_token_ids=(8,)), num_top_logprobs=3),
        Choice(drawn, mask),
    ]
    chosen = TokenSampler(VOCAB_SIZE).sample(logits, choices)
    assert math.isnan(chosen[0].best)
    assert [each.best for each in chosen[1:]] == [math.inf, -math.inf, float(logits[3, 8])]
    assert chosen[3] == Chosen(8, float(logits[3, 8]), log_mass=chosen[3].log_mass)
    assert TokenSampler(VOCAB_SIZE).sample(logits[:0], []) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_chooses_the_same_tokens() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(36, VOCAB_SIZE, generator=generator) * 3
    choices = [a_choice(number, generator) for number in range(36)]
    on_device = TokenSampler(VOCAB_SIZE).sample(logits.cuda(), choices)
    here = TokenSampler(VOCAB_SIZE).sample(logits, choices)
    assert [each.token_id for each in on_device] == [each.token_id for each in here]

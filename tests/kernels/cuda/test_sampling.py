"""Sampling on the device against its twins, token for token; both forms of it, whole rows and phase by phase."""

import math
from dataclasses import replace

import pytest
import torch

from palmette.kernels.choice import Adjustments, Choice, Chosen
from palmette.kernels.cuda.sample_table import SampleTable
from palmette.kernels.cuda.sampling import SampleWorkspace, sample_rows
from palmette.kernels.cuda.token_sampler import CudaSampler
from palmette.kernels.draw import Draw
from palmette.kernels.host_sampling import sample_on_host
from palmette.kernels.philox import gumbel
from palmette.kernels.token_bitmask import pack_token_bitmask

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
INTERPRETER_WARNS = pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
"""Of NaN and infinities, which a device makes without a word."""

PLAIN = Draw(temperature=1.0, top_k=None, top_p=1.0, min_p=0.0, seed=2**63 + 5, path=2**64 - 3, position=2**32 - 1)


def sample(logits: torch.Tensor, choices: list[Choice], is_fused: bool = True, block: int = 256) -> list[Chosen]:
    logits = logits.to(DEVICE, copy=True)
    before = logits.clone()
    chosen = CudaSampler(logits.shape[1], DEVICE, block).launch(logits, choices, is_fused=is_fused).read()
    assert torch.equal(logits.view(torch.int32), before.view(torch.int32)), "the logits are as they were"
    return chosen


def assert_the_twins(
    logits: torch.Tensor, choices: list[Choice], is_fused: bool = True, block: int = 256
) -> list[Chosen]:
    """The same tokens and best logits, to the last bit; log-probabilities to 1e-5."""
    ours, twins = sample(logits, choices, is_fused, block), sample_on_host(logits, choices)
    for row, (chosen, twin) in enumerate(zip(ours, twins, strict=True)):
        assert (chosen.token_id, chosen.best) == (twin.token_id, twin.best), f"row {row}"
        assert [token_id for token_id, _ in chosen.top] == [token_id for token_id, _ in twin.top], f"row {row}"
        assert [each for _, each in chosen.top] == pytest.approx([each for _, each in twin.top], abs=1e-5)
        assert (chosen.logprob, chosen.log_mass) == (
            None if twin.logprob is None else pytest.approx(twin.logprob, abs=1e-5),
            None if twin.log_mass is None else pytest.approx(twin.log_mass, abs=1e-5),
        ), f"row {row}"
    return ours


def greedy_choices(num_rows: int, num_top: int) -> list[Choice]:
    return [Choice(None, wants_logprob=True, num_top_logprobs=num_top) for _ in range(num_rows)]


@pytest.mark.parametrize("is_fused", [True, False])
def test_the_tokens_of_the_twin(is_fused: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(7, 700, generator=generator) * 3
    logits[2] = (logits[2] * 2).round()  # many equals
    allowed = torch.rand(7, 700, generator=generator) < 0.7
    allowed[3, :300] = False  # a chunk without a candidate
    masks = pack_token_bitmask(allowed)
    draws: list[Draw | None] = [
        PLAIN,
        replace(PLAIN, temperature=0.7, top_k=40, top_p=0.9, min_p=0.02, position=1),
        replace(PLAIN, temperature=1.5, top_p=0.8, position=2),
        None,
        replace(PLAIN, temperature=0.8, min_p=0.1, position=3),
        replace(PLAIN, position=4),
        replace(PLAIN, position=5),
    ]
    choices = [
        Choice(
            draws[row],
            masks[row] if row not in (1, 5) else None,
            Adjustments(
                1.3, [3, 4, 4, 699, best], 0.7, 0.4, {4: 1, 5: 3, best: 1}, {5: 2.5, best: 1.5, 600: 3.0}, (600, 7)
            )
            if row != 6
            else Adjustments(),
            wants_logprob=row % 2 == 0,
            num_top_logprobs=(0, 5, 20)[row % 3],
        )
        for row, best in enumerate(logits.argmax(dim=1).tolist())
    ]
    chosen = assert_the_twins(logits, choices, is_fused)
    assert [len(each.top) for each in chosen] == [0, 5, 20, 0, 5, 20, 0]
    # An adjustment and a mask decide something here.
    assert [each.token_id for each in sample(logits, [Choice(draw) for draw in draws], is_fused)] != [
        each.token_id for each in chosen
    ]


def test_the_most_likely_tokens_come_in_order() -> None:
    generator = torch.Generator().manual_seed(11)
    logits = torch.randn(5, 300, generator=generator)
    logits[1] = 2.0  # all equal
    logits[2] = logits[2].round()
    logits[3, 2:] = -math.inf
    logits[4, ::2], logits[4, 1::2] = 0.0, -0.0  # which are equals
    chosen = assert_the_twins(logits, greedy_choices(5, 20), block=64)
    assert [token_id for token_id, _ in chosen[1].top] == list(range(20))
    assert [token_id for token_id, _ in chosen[4].top] == list(range(20))
    assert assert_the_twins(logits[:1, :40], greedy_choices(1, 256), block=32)[0].top[39][0] == logits[0, :40].argmin()


def _position_where_the_second_wins() -> int:
    noise = gumbel([1] * 20, [1] * 20, list(range(20)), 4)
    return int((noise[:, 1] > noise[:, 0]).int().argmax())


def test_equals_are_ranked_by_id() -> None:
    logits = torch.zeros(4, 96)
    logits[1, 90] = 1.0
    draws = [
        replace(PLAIN, top_k=4, position=1),
        replace(PLAIN, temperature=50.0, top_k=3, position=5),
        replace(PLAIN, top_p=0.05),
        # A hair more than the share of one token takes two, of which the second wins.
        replace(PLAIN, top_p=1 / 96 + 1e-9, seed=1, path=1, position=_position_where_the_second_wins()),
    ]
    assert_the_twins(logits, [Choice(draw) for draw in draws], block=32)


@INTERPRETER_WARNS
def test_extremes() -> None:
    logits = torch.full((4, 40), -1000.0)
    logits[:, 7], logits[:, 9] = 3.0, 2.9
    logits[3, 0] = 3e38
    draws = [
        replace(PLAIN, temperature=5e-324, top_k=2, top_p=0.5),
        replace(PLAIN, temperature=1e300, top_p=0.99),
        replace(PLAIN, temperature=1e300),
        replace(PLAIN, temperature=1.0),
    ]
    assert_the_twins(logits, [Choice(draw) for draw in draws], block=32)


@INTERPRETER_WARNS
def test_rows_without_an_answer_say_so_and_leave_the_others_alone() -> None:
    logits = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    logits[0, 40] = math.nan
    logits[1, 3] = math.inf
    allowed = torch.ones(4, 64, dtype=torch.bool)
    allowed[2] = False
    choices = [Choice(None), Choice(PLAIN), Choice(None, pack_token_bitmask(allowed)[2]), Choice(PLAIN)]
    chosen = sample(logits, choices, block=32)
    assert [each.best for each in chosen] == [math.inf, math.inf, -math.inf, float(logits[3].max())]
    assert chosen[3] == sample_on_host(logits[3:], choices[3:])[0]
    assert all(0 <= each.token_id < 64 for each in chosen)


@INTERPRETER_WARNS
def test_a_ban_stands_whatever_the_logit_became() -> None:
    logits = torch.zeros(1, 32)
    logits[0, 5] = 3e38
    everything = Adjustments(0.5, (5,), banned_token_ids=(5,), logit_bias={5: 1e30})
    (chosen,) = assert_the_twins(logits, [Choice(None, adjustments=everything)], block=32)
    assert (chosen.token_id, chosen.best) == (0, 0.0)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    logits = torch.randn(2, 200, generator=torch.Generator().manual_seed(5))
    choices = [
        Choice(PLAIN, adjustments=Adjustments(banned_token_ids=(3,)), wants_logprob=True, num_top_logprobs=9),
        Choice(replace(PLAIN, top_p=0.9, position=1), wants_logprob=True, num_top_logprobs=4),
    ]
    together = sample(logits, choices, block=128)
    assert sample(logits[1:], choices[1:], is_fused=False, block=128) == together[1:], "to the last bit"


def test_a_sampler_serves_batches_of_any_size() -> None:
    logits = torch.randn(5, 96, generator=torch.Generator().manual_seed(8))
    choices = [Choice(replace(PLAIN, position=row)) for row in range(5)]
    twins = sample_on_host(logits, choices)
    sampler = CudaSampler(96, DEVICE, 32)
    for size in (1, 5, 0, 3):
        assert sampler.launch(logits[:size].to(DEVICE), choices[:size]).read() == twins[:size]


def test_what_is_refused() -> None:
    workspace = SampleWorkspace(2, 64, DEVICE, 32)
    table = SampleTable.build([Choice(None)] * 2, 64, DEVICE)
    with pytest.raises(ValueError, match=r"logit_bias: expected token ids in \[0, 64\), got \[64\]"):
        SampleTable.build([Choice(None, adjustments=Adjustments(logit_bias={64: 1.0}))], 64, DEVICE)
    with pytest.raises(AssertionError, match="expected float32 logits"):
        sample_rows(torch.zeros(2, 64, dtype=torch.float64), table, workspace)
    with pytest.raises(AssertionError, match="expected 1 rows, got 2"):
        sample_rows(torch.zeros(1, 64), table, workspace)
    with pytest.raises(AssertionError, match="vocabulary of the workspace, 64, got 65"):
        sample_rows(torch.zeros(2, 65), table, workspace)
    with pytest.raises(AssertionError, match="expected masks of 2 words, got 3"):
        SampleTable.build([Choice(None, torch.zeros(3, dtype=torch.int32))], 64, DEVICE)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("is_fused", [True, False])
def test_real_sizes_on_a_device(is_fused: bool) -> None:
    """Noise may be a float32 step off where a device's float64 logarithm is: about one token in 10**8."""
    generator = torch.Generator().manual_seed(6)
    logits = torch.randn(48, 128_256, generator=generator) * 3
    shapes = [(1.0, None, 1.0, 0.0), (0.7, 50, 0.9, 0.0), (1.0, None, 0.95, 0.0), (0.9, None, 1.0, 0.05)]
    masks = pack_token_bitmask(torch.rand(48, 128_256, generator=generator) < 0.5)
    choices = [
        Choice(
            Draw(*shapes[i % 4], seed=i, path=3 * i, position=i) if i else None,
            masks[i],
            Adjustments(1.2, (i,), 0.5, 0.0, {i + 1: 1}, {i + 2: 4.0}, (i + 3,)),
            wants_logprob=True,
            num_top_logprobs=20,
        )
        for i in range(48)
    ]
    assert_the_twins(logits, choices, is_fused, block=2048)

"""Sampling on the device against its twins, token for token; both forms of it, whole rows and phase by phase."""

import math
from dataclasses import replace

import pytest
import torch

from palmette.kernels.cuda.draw_tokens import choose_tokens as choose_tokens_cuda
from palmette.kernels.cuda.draw_tokens import draw_tokens as draw_tokens_cuda
from palmette.kernels.cuda.sample_table import Adjustments, SampleTable
from palmette.kernels.cuda.sampling import SampledRows, SampleWorkspace, sample_rows
from palmette.kernels.draw import Draw
from palmette.kernels.philox import gumbel
from palmette.kernels.sampling import (
    Choice,
    add_to_logits,
    apply_repetition_penalties,
    choose_tokens,
    draw_tokens,
    greedy_tokens,
    log_allowed_mass,
    log_probabilities,
)
from palmette.kernels.token_bitmask import apply_token_bitmask, pack_token_bitmask

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PLAIN = Draw(temperature=1.0, top_k=None, top_p=1.0, min_p=0.0, seed=2**63 + 5, path=2**64 - 3, position=2**32 - 1)


def sample(
    logits: torch.Tensor,
    draws: list[Draw | None],
    bitmask: torch.Tensor | None = None,
    adjustments: list[Adjustments] | None = None,
    is_fused: bool = True,
    block: int = 256,
) -> SampledRows:
    logits = logits.to(DEVICE, copy=True)
    bitmask = None if bitmask is None else bitmask.to(DEVICE)
    num_rows, vocab_size = logits.shape
    has_mask = None if bitmask is None else [True] * num_rows
    table = SampleTable.build(draws, vocab_size, logits.device, has_mask, adjustments or ())
    workspace = SampleWorkspace(num_rows, vocab_size, logits.device, block)
    before = logits.clone()
    out = sample_rows(logits, bitmask, table, workspace, wants_mass=True, is_fused=is_fused)
    assert torch.equal(logits, before), "the logits are as they were"
    return SampledRows(out.token_ids.cpu(), out.best.cpu(), out.log_mass.cpu())


def twin(
    logits: torch.Tensor,
    draws: list[Draw | None],
    bitmask: torch.Tensor | None = None,
    adjustments: list[Adjustments] | None = None,
) -> list[int]:
    logits = logits.clone()
    vocab_size = logits.shape[1]
    for row, adjusted in enumerate(adjustments or ()):
        for change, values in (
            (apply_repetition_penalties, adjusted.repetition_penalties),
            (add_to_logits, adjusted.count_penalties),
            (add_to_logits, adjusted.biases),
        ):
            ids = torch.tensor(list(values), dtype=torch.int64) + row * vocab_size
            change(logits, ids, torch.tensor(list(values.values()), dtype=torch.float32))
    if bitmask is not None:
        apply_token_bitmask(logits, bitmask)
    return [
        int(greedy_tokens(logits[row : row + 1]) if draw is None else draw_tokens(logits[row : row + 1], [draw]))
        for row, draw in enumerate(draws)
    ]


@pytest.mark.parametrize("is_fused", [True, False])
def test_the_tokens_of_the_twin(is_fused: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(5, 700, generator=generator) * 3
    logits[2] = (logits[2] * 2).round()  # many equals
    allowed = torch.rand(5, 700, generator=generator) < 0.7
    allowed[3, :300] = False  # a chunk without a candidate
    bitmask = pack_token_bitmask(allowed)
    draws: list[Draw | None] = [
        PLAIN,
        replace(PLAIN, temperature=0.7, top_k=40, top_p=0.9, min_p=0.02, position=1),
        replace(PLAIN, temperature=1.5, top_p=0.8, position=2),
        None,
        replace(PLAIN, temperature=0.8, min_p=0.1, position=3),
    ]
    adjustments = [
        Adjustments({3: 1.3, 4: 1.3, 699: 0.8}, {4: -0.7, 5: -1.1}, {5: 2.5, 600: -math.inf, int(row.argmax()): 1.5})
        for row in logits
    ]
    out = sample(logits, draws, bitmask, adjustments, is_fused)
    assert out.token_ids.tolist() == twin(logits, draws, bitmask, adjustments)
    chosen = torch.stack([log_probabilities(logits[row])[out.token_ids[row]] for row in range(5)])
    torch.testing.assert_close(out.log_mass[:, 0], chosen, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        out.log_mass[:, 1], log_allowed_mass(logits, bitmask, allowed.int().argmax(1)), rtol=0, atol=1e-5
    )


def _position_where_the_second_wins() -> int:
    noise = gumbel([1] * 20, [1] * 20, list(range(20)), 4)
    return int((noise[:, 1] > noise[:, 0]).int().argmax())


def test_equals_are_ranked_by_id() -> None:
    logits = torch.zeros(4, 96)
    logits[1, 90] = 1.0
    draws: list[Draw | None] = [
        replace(PLAIN, top_k=4, position=1),
        replace(PLAIN, temperature=50.0, top_k=3, position=5),
        replace(PLAIN, top_p=0.05),
        # A hair more than the share of one token takes two, of which the second wins.
        replace(PLAIN, top_p=1 / 96 + 1e-9, seed=1, path=1, position=_position_where_the_second_wins()),
    ]
    assert sample(logits, draws, block=32).token_ids.tolist() == twin(logits, draws)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_extremes() -> None:
    logits = torch.full((4, 40), -1000.0)
    logits[:, 7], logits[:, 9] = 3.0, 2.9
    logits[3, 0] = 3e38
    draws: list[Draw | None] = [
        replace(PLAIN, temperature=5e-324, top_k=2, top_p=0.5),
        replace(PLAIN, temperature=1e300, top_p=0.99),
        replace(PLAIN, temperature=1e300),
        replace(PLAIN, temperature=1.0),
    ]
    assert sample(logits, draws, block=32).token_ids.tolist() == twin(logits, draws)


def test_rows_without_an_answer_say_so_and_leave_the_others_alone() -> None:
    logits = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    logits[0, 40] = math.nan
    logits[1, 3] = math.inf
    allowed = torch.ones(4, 64, dtype=torch.bool)
    allowed[2] = False
    table = SampleTable.build([None, PLAIN, None, PLAIN], 64, DEVICE, [False, False, True, False])
    workspace = SampleWorkspace(4, 64, DEVICE, 32)
    out = sample_rows(logits.to(DEVICE), pack_token_bitmask(allowed).to(DEVICE), table, workspace)
    assert out.best.tolist() == [math.inf, math.inf, -math.inf, logits[3].max()]
    assert out.token_ids[3] == draw_tokens(logits[3:], [PLAIN])
    assert all(0 <= token_id < 64 for token_id in out.token_ids.tolist())


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    logits = torch.randn(2, 200, generator=torch.Generator().manual_seed(5))
    draws: list[Draw | None] = [PLAIN, replace(PLAIN, top_p=0.9, position=1)]
    together = sample(logits, draws, block=128)
    alone = sample(logits[1:2], draws[1:2], is_fused=False, block=128)
    assert alone.token_ids[0] == together.token_ids[1]
    assert torch.equal(alone.log_mass[0], together.log_mass[1]), "to the last bit"


def test_what_is_refused() -> None:
    workspace = SampleWorkspace(2, 64, DEVICE, 32)
    table = SampleTable.build([None, None], 64, DEVICE)
    with pytest.raises(ValueError, match=r"expected token ids in \[0, 64\), got 64"):
        SampleTable.build([None], 64, DEVICE, adjustments=[Adjustments(biases={64: 1.0})])
    with pytest.raises(AssertionError, match="expected float32 logits"):
        sample_rows(torch.zeros(2, 64, dtype=torch.float64), None, table, workspace)
    with pytest.raises(AssertionError, match="expected 1 rows, got 2"):
        sample_rows(torch.zeros(1, 64), None, SampleTable.build([None, None], 64, DEVICE), workspace)
    with pytest.raises(AssertionError, match="vocabulary of the workspace, 64, got 65"):
        sample_rows(torch.zeros(2, 65), None, table, workspace)
    masked = SampleTable.build([None, None], 64, DEVICE, [True, False])
    with pytest.raises(AssertionError, match="expected a bitmask, since rows of the table have one"):
        sample_rows(torch.zeros(2, 64), None, masked, workspace)
    with pytest.raises(AssertionError, match=r"expected masks \(2, 2\)"):
        sample_rows(torch.zeros(2, 64), torch.zeros(2, 3, dtype=torch.int32), table, workspace)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("is_fused", [True, False])
def test_real_sizes_on_a_device(is_fused: bool) -> None:
    """Noise may be a float32 step off where a device's float64 logarithm is: about one token in 10**8."""
    generator = torch.Generator().manual_seed(6)
    logits = torch.randn(48, 128_256, generator=generator) * 3
    shapes = [(1.0, None, 1.0, 0.0), (0.7, 50, 0.9, 0.0), (1.0, None, 0.95, 0.0), (0.9, None, 1.0, 0.05)]
    draws: list[Draw | None] = [Draw(*shapes[i % 4], seed=i, path=3 * i, position=i) for i in range(47)]
    draws.append(None)
    bitmask = pack_token_bitmask(torch.rand(48, 128_256, generator=generator) < 0.5)
    adjustments = [Adjustments({i: 1.2}, {i + 1: -0.5}, {i + 2: 4.0}) for i in range(48)]
    out = sample(logits, draws, bitmask, adjustments, is_fused, block=2048)
    assert out.token_ids.tolist() == twin(logits, draws, bitmask, adjustments)


def test_rows_apart_are_chosen_together() -> None:
    logits = torch.randn(3, 96, generator=torch.Generator().manual_seed(8))
    masks = pack_token_bitmask(torch.rand(3, 96, generator=torch.Generator().manual_seed(9)) < 0.5)
    choices = [Choice(logits[2], masks[0], PLAIN), Choice(logits[0], None, None), Choice(logits[1], masks[1], None)]
    rows = [(choice.logits.to(DEVICE), choice.bitmask, choice.draw) for choice in choices]
    assert choose_tokens_cuda(rows) == choose_tokens(choices)
    alone = draw_tokens_cuda(logits.to(DEVICE), [PLAIN] * 3).tolist()
    assert alone == draw_tokens(logits, [PLAIN] * 3).tolist()

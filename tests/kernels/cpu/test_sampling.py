"""The C kernel chooses the tokens of the PyTorch twin, for each instruction set."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from instruction_sets import SUPPORTED, each_instruction_set, library_for
from torch import Tensor

from palmette.kernels.cpu.instruction_set import InstructionSet
from palmette.kernels.cpu.sampling import CpuDraw, choose_tokens, log_masses
from palmette.kernels.sampling import Draw, draw_tokens, greedy_tokens, log_allowed_mass
from palmette.kernels.token_bitmask import apply_token_bitmask, mask_words, pack_token_bitmask

needs_compiler = pytest.mark.skipif(not SUPPORTED, reason="no C compiler")


def twin(draw: CpuDraw) -> tuple[int, float]:
    logits = draw.logits.clone()[None]
    if draw.bitmask is not None:
        apply_token_bitmask(logits, draw.bitmask[None])
    best = float(logits.max())
    if draw.temperature == 0:
        return int(greedy_tokens(logits)), best
    drawn = Draw(draw.temperature, None, 1.0, 0.0, draw.seed, draw.path, draw.position)
    return int(draw_tokens(logits, [drawn])), best


@st.composite
def cpu_draws(draw: st.DrawFn, vocab_size: int) -> CpuDraw:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0.0, 0.1, 3.0, 100.0]))
    logits = torch.randn(vocab_size, generator=generator) * spread
    if draw(st.booleans()):
        logits = logits.round()  # ties
    if draw(st.booleans()):
        logits[torch.rand(vocab_size, generator=generator) < 0.3] = -math.inf
    bitmask = None
    if draw(st.booleans()):
        share = draw(st.sampled_from([0.01, 0.5, 0.99]))
        allowed = torch.rand((1, vocab_size), generator=generator) < share
        bitmask = pack_token_bitmask(allowed)[0]
        kept = draw(st.integers(0, vocab_size - 1))
        logits[kept] = 0.5
        bitmask.view(torch.uint8)[kept // 8] |= 1 << (kept % 8)
    logits[draw(st.integers(0, vocab_size - 1))] = 1.0 if bitmask is None else logits[0]
    temperature = draw(st.sampled_from([0.0, 0.05, 0.7, 1.0, 5.0, 1e6]))
    words = st.integers(0, 2**64 - 1)
    return CpuDraw(logits, bitmask, temperature, draw(words), draw(words), draw(st.integers(0, 2**31 - 1)))


@needs_compiler
@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    vocab_size=st.sampled_from([1, 2, 31, 32, 33, 70, 257]),
    num_rows=st.integers(1, 4),
    instruction_set=st.sampled_from(SUPPORTED or tuple(InstructionSet)),
)
def test_they_are_the_twins_tokens(
    data: st.DataObject, vocab_size: int, num_rows: int, instruction_set: InstructionSet
) -> None:
    draws = [data.draw(cpu_draws(vocab_size)) for _ in range(num_rows)]
    token_ids, best = choose_tokens(library_for(instruction_set), draws)
    for draw, token_id, value in zip(draws, token_ids, best, strict=True):
        expected, expected_best = twin(draw)
        assert value == expected_best
        if math.isfinite(expected_best):
            assert token_id == expected


@each_instruction_set
@pytest.mark.parametrize("spread", [0.01, 2.0, 20.0])
def test_large_vocabularies(instruction_set: InstructionSet, spread: float) -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [
        CpuDraw(torch.randn(40_000, generator=generator) * spread, None, 1.0, seed, seed + 1, seed + 2)
        for seed in range(6)
    ]
    assert choose_tokens(library_for(instruction_set), draws)[0] == [twin(draw)[0] for draw in draws]


@each_instruction_set
def test_what_cannot_be_chosen_from_is_seen(instruction_set: InstructionSet) -> None:
    generator = torch.Generator().manual_seed(0)

    def best_of(bitmask: Tensor | None, **changed: float) -> float:
        logits = torch.randn(100, generator=generator)
        for name, value in changed.items():
            logits[int(name[1:])] = value
        return choose_tokens(library_for(instruction_set), [CpuDraw(logits, bitmask, 1.0, 1, 2, 3)])[1][0]

    for place in (0, 50, 99):
        assert math.isnan(best_of(None, **{f"t{place}": math.nan}))
        assert best_of(None, **{f"t{place}": math.inf}) == math.inf
    assert best_of(torch.zeros(mask_words(100), dtype=torch.int32)) == -math.inf
    # What the mask forbids is not looked at, nor are bits past the vocabulary.
    only = torch.zeros((1, 100), dtype=torch.bool)
    only[0, 7] = True
    mask = pack_token_bitmask(only)[0]
    mask[-1] = -1 << 4
    assert best_of(mask, t50=math.nan, t7=3.0) == 3.0


@each_instruction_set
def test_masses_are_the_twins(instruction_set: InstructionSet) -> None:
    generator = torch.Generator().manual_seed(0)
    draws, expected = [], []
    for spread in (0.0, 1.0, 30.0):
        for share in (0.001, 0.5, 1.0):
            logits = torch.randn((1, 5000), generator=generator) * spread
            allowed = torch.rand((1, 5000), generator=generator) <= share
            allowed[0, 17] = True
            mask = pack_token_bitmask(allowed)
            draws.append(CpuDraw(logits[0], mask[0], 0.0, 0, 0, 0))
            masked = logits.double().masked_fill(~allowed, -math.inf)
            expected.append(float(masked.logsumexp(-1) - logits.double().logsumexp(-1)))
            twins = float(log_allowed_mass(logits, mask, torch.tensor([17])))
            assert twins == pytest.approx(expected[-1], abs=1e-4)
    assert log_masses(library_for(instruction_set), draws) == pytest.approx(expected, abs=1e-6)


def test_wrong_arguments_are_refused() -> None:
    if not SUPPORTED:
        pytest.skip("no C compiler")
    library = library_for(SUPPORTED[0])
    with pytest.raises(AssertionError, match=r"logits: expected torch\.float32, got torch\.float64"):
        choose_tokens(library, [CpuDraw(torch.zeros(3, dtype=torch.float64), None, 0.0, 0, 0, 0)])
    with pytest.raises(AssertionError, match=r"bitmask: expected \[1\], got \[2\]"):
        choose_tokens(library, [CpuDraw(torch.zeros(3), torch.zeros(2, dtype=torch.int32), 0.0, 0, 0, 0)])
    with pytest.raises(AssertionError, match=r"logits: expected \[3\], got \[4\]"):
        choose_tokens(library, [CpuDraw(torch.zeros(size), None, 0.0, 0, 0, 0) for size in (3, 4)])

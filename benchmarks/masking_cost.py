"""What a grammar's mask adds to choosing a token, by the size of the vocabulary."""

import os
from collections.abc import Callable
from functools import partial

import torch
from measure import Timing, interleave

from palmette.kernels.cpu.library import VARIABLE
from palmette.kernels.token_bitmask import pack_token_bitmask
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.sampler import Sampler, SampleRow

NUM_TOKENS = 20
"""Chosen in a round."""


def masking_costs(vocab_size: int, num_rounds: int) -> dict[str, float]:
    """Milliseconds of processor time a token: with and without a mask, at both temperatures, with both kernels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((1, vocab_size), generator=generator) * 3
    mask = pack_token_bitmask(torch.rand((1, vocab_size), generator=generator) < 0.5)[0]
    contestants: dict[str, Callable[[], object]] = {}
    for kernels, title in (("auto", "C"), ("off", "PyTorch")):
        for temperature in (0.0, 1.0):
            for bitmask in (None, mask):
                row = SampleRow(SamplingParams(temperature=temperature), seed=1, path=2, position=3, bitmask=bitmask)
                name = f"{title}, temperature {temperature:g}, {'no mask' if bitmask is None else 'mask'}"
                contestants[name] = partial(_choose, Sampler(vocab_size), logits, row, kernels)
    for run in contestants.values():
        run()
    timings: dict[str, Timing] = interleave(contestants, num_rounds)
    return {name: 1000 * timing.median_cpu_s / NUM_TOKENS for name, timing in timings.items()}


def _choose(sampler: Sampler, logits: torch.Tensor, row: SampleRow, kernels: str) -> None:
    os.environ[VARIABLE] = kernels
    for _ in range(NUM_TOKENS):
        sampler.sample(logits, [row])

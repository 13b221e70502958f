"""Counter-based noise: Philox4x32-10 and Gumbel noise from it, a function of whose token it is and not of what ran."""

import math
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Words: TypeAlias = npt.NDArray[np.signedinteger[Any]]
"""32-bit values in an int64 array."""

Lanes = TypeVar("Lanes", int, Words, Tensor)
"""What the generator's arithmetic runs on: 32-bit values in Python ints, in int64 arrays or in int64 tensors."""

_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS: Final = (0x9E3779B9, 0xBB67AE85)
_NUM_ROUNDS: Final = 10
_LOW_32: Final = 0xFFFFFFFF
_LOW_64: Final = 0xFFFFFFFFFFFFFFFF

GUMBEL_RANGE: Final = 20.0
"""More than the largest value of the noise (16.64) less the smallest (-2.81): who is behind by this cannot win."""


def philox4x32(
    counter: tuple[Lanes, Lanes, Lanes, Lanes], key: tuple[Lanes, Lanes]
) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).

    Every argument and result is 32 bits wide. The shapes of arrays and tensors broadcast, and an argument with fewer
    elements is computed with fewer until it meets the others.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for round_id in range(_NUM_ROUNDS):
        if round_id > 0:
            k0 = (k0 + _KEY_STEPS[0]) & _LOW_32
            k1 = (k1 + _KEY_STEPS[1]) & _LOW_32
        # In int64 the product wraps to the same 64 bits; the mask after the shift drops the sign's copies.
        product_0 = c0 * _MULTIPLIERS[0]
        product_1 = c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((product_1 >> 32) & _LOW_32) ^ c1 ^ k0,
            product_1 & _LOW_32,
            ((product_0 >> 32) & _LOW_32) ^ c3 ^ k1,
            product_0 & _LOW_32,
        )
    return c0, c1, c2, c3


def gumbel(
    seeds: Sequence[int],
    paths: Sequence[int],
    positions: Sequence[int],
    vocab_size: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Standard Gumbel noise for every token of a row: [num_rows, vocab_size] float32.

    A row is the token at index `position` of the text of the branch `path` under the key `seed` (64, 64 and 32 bits).
    Key = (seed low, seed high), counter = (path low, path high, position, token_id // 4); word `token_id % 4` is the
    token's. The noise is -log(-log(u)) with u = ((word >> 9) + 0.5) / 2**23, which is never 0 or 1. The logs are taken
    in float64 and rounded once, so that one token's noise does not depend on how many are computed together.
    """
    key, place = _row_words(seeds, paths, positions)
    blocks = np.arange(-(-vocab_size // 4), dtype=np.int64)[None, :]
    if torch.device(device).type == "cpu":
        k0, k1, c0, c1, c2 = (words[:, None] for words in (*key, *place))
        noise = np.empty((len(seeds), blocks.size, 4), dtype=np.float32)
        for lane, words in enumerate(philox4x32((c0, c1, c2, blocks), (k0, k1))):
            noise[:, :, lane] = _gumbel_of_words(words)
        return torch.from_numpy(noise.reshape(len(seeds), -1)[:, :vocab_size])
    t0, t1, s0, s1, s2 = (_to_tensor(words, device)[:, None] for words in (*key, *place))
    lanes = philox4x32((s0, s1, s2, _to_tensor(blocks, device)), (t0, t1))
    return _gumbel_of_tensor(torch.stack(lanes, dim=-1).flatten(1)[:, :vocab_size])


def gumbel_at(
    seeds: Sequence[int], paths: Sequence[int], positions: Sequence[int], row_ids: Tensor, token_ids: Tensor
) -> Tensor:
    """The noise of single tokens, the same numbers as `gumbel` gives: [num_tokens] float32.

    `row_ids` and `token_ids` ([num_tokens] int64, on one device) say which row's noise is wanted for which token.
    """
    key, place = _row_words(seeds, paths, positions)
    if token_ids.device.type == "cpu":
        index, tokens = row_ids.numpy(), token_ids.numpy()
        k0, k1, c0, c1, c2 = (words[index] for words in (*key, *place))
        lanes = np.stack(philox4x32((c0, c1, c2, tokens >> 2), (k0, k1)))
        return torch.from_numpy(_gumbel_of_words(np.take_along_axis(lanes, (tokens & 3)[None, :], axis=0)[0]))
    t0, t1, s0, s1, s2 = (_to_tensor(words, token_ids.device)[row_ids] for words in (*key, *place))
    lane_tensors = torch.stack(philox4x32((s0, s1, s2, token_ids >> 2), (t0, t1)))
    return _gumbel_of_tensor(lane_tensors.gather(0, (token_ids & 3)[None, :])[0])


def gumbel_of_token(seed: int, path: int, position: int, token_id: int) -> float:
    """The noise of one token, what `gumbel` gives but for the rounding to float32; for a few, faster than an array."""
    lanes = philox4x32(
        (path & _LOW_32, path >> 32, position, token_id >> 2),
        (seed & _LOW_32, seed >> 32),
    )
    return -math.log(-math.log(((lanes[token_id & 3] >> 9) + 0.5) * 2.0**-23))


def branch_path(parent_path: int, child_index: int) -> int:
    """The 64-bit path of a branch's child (of a fork, or of the n samples of a request); the root's path is 0.

    Children of one parent never collide: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA'14) is a bijection.
    """
    assert 0 <= parent_path <= _LOW_64, f"branch_path: expected a parent path of 64 bits, got {parent_path}"
    assert child_index >= 0, f"branch_path: expected a child index >= 0, got {child_index}"
    z = (parent_path + (child_index + 1) * 0x9E3779B97F4A7C15) & _LOW_64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _LOW_64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _LOW_64
    return z ^ (z >> 31)


def _row_words(
    seeds: Sequence[int], paths: Sequence[int], positions: Sequence[int]
) -> tuple[tuple[Words, Words], tuple[Words, Words, Words]]:
    """((seed low, seed high), (path low, path high, position)), each [num_rows]."""
    seed, path = np.array(seeds, dtype=np.uint64), np.array(paths, dtype=np.uint64)
    place = np.array(positions, dtype=np.int64)
    return _halves(seed), (*_halves(path), place)


def _halves(values: npt.NDArray[np.uint64]) -> tuple[Words, Words]:
    """The low and the high 32 bits."""
    return (values & _LOW_32).astype(np.int64), (values >> 32).astype(np.int64)


def _to_tensor(words: Words, device: torch.device | str) -> Tensor:
    return torch.from_numpy(words).to(device)


def _gumbel_of_words(words: Words) -> npt.NDArray[np.float32]:
    uniform = ((words >> 9).astype(np.float64) + 0.5) * 2.0**-23
    return (-np.log(-np.log(uniform))).astype(np.float32)


def _gumbel_of_tensor(words: Tensor) -> Tensor:
    uniform = ((words >> 9).double() + 0.5) * 2.0**-23
    return (-torch.log(-torch.log(uniform))).float()

"""Rows of the token bitmask: packed words, one bit a token."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def pack_row(token_ids: Iterable[int], mask_words: int) -> Tensor:
    """A row that allows `token_ids`: [mask_words] int32; bit `i` of word `w` stands for token `32 * w + i`."""
    packed = bytearray(4 * mask_words)  # little-endian words: token `i` is bit `i % 8` of byte `i // 8`
    for token_id in token_ids:
        packed[token_id >> 3] |= 1 << (token_id & 7)
    return torch.frombuffer(packed, dtype=torch.int32)


def allowed_token_ids(row: Tensor) -> list[int]:
    """The tokens that a row allows, ascending."""
    return [32 * index + bit for index, word in enumerate(row.tolist()) if word for bit in range(32) if word >> bit & 1]


def row_of(token_ids: NDArray[np.int64], mask_words: int) -> Tensor:
    """`pack_row` of many tokens: some µs for thousands."""
    bits = np.zeros(32 * mask_words, dtype=np.uint8)
    bits[token_ids] = 1
    return torch.from_numpy(np.packbits(bits, bitorder="little").view(np.int32))


def allowed_among(row: Tensor, token_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a row allows each of `token_ids`: [num_tokens]."""
    words: NDArray[np.uint32] = row.numpy().view(np.uint32)
    bits: NDArray[np.bool_] = words[token_ids >> 5] & (np.uint32(1) << (token_ids & 31).astype(np.uint32)) != 0
    return bits


def is_allowed(row: Tensor, token_id: int) -> bool:
    """Whether a row allows a token."""
    return bool(int(row[token_id // 32]) >> (token_id % 32) & 1)


def check_row(row: Tensor, mask_words: int) -> None:
    """Raise `ValueError` unless `row` is int32 [mask_words] on the CPU."""
    if row.dtype != torch.int32 or tuple(row.shape) != (mask_words,) or row.device.type != "cpu":
        raise ValueError(
            f"row: expected int32 [{mask_words}] on the CPU, got {row.dtype} {list(row.shape)} on {row.device}"
        )


def check_rollback(num_tokens: int, num_accepted: int) -> None:
    """Raise `ValueError` unless that many tokens can be taken back."""
    if not 0 <= num_tokens <= num_accepted:
        raise ValueError(f"num_tokens: expected from 0 to the {num_accepted} accepted tokens, got {num_tokens}")

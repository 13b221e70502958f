"""Packed masks of allowed tokens: bit `token_id % 32` of word `token_id // 32` says whether the token may come next."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

_BITS_PER_WORD: Final = 32


def mask_words(vocab_size: int) -> int:
    """int32 words that hold a bit for each token."""
    return -(-vocab_size // _BITS_PER_WORD)


def unpack_token_bitmask(bitmask: Tensor, vocab_size: int) -> Tensor:
    """Which tokens are allowed: [num_rows, mask_words] int32 -> [num_rows, vocab_size] bool."""
    return _spread(bitmask, vocab_size, _allowed_of_byte(bitmask.device))


def pack_token_bitmask(allowed: Tensor) -> Tensor:
    """The inverse of `unpack_token_bitmask`: [num_rows, vocab_size] bool -> [num_rows, mask_words] int32.

    The bits past the vocabulary are 0.
    """
    num_rows, vocab_size = allowed.shape
    padded = allowed.new_zeros((num_rows, mask_words(vocab_size) * _BITS_PER_WORD))
    padded[:, :vocab_size] = allowed
    weights = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=allowed.device)
    as_bytes = (padded.view(num_rows, -1, 8).to(torch.uint8) * weights).sum(dim=-1, dtype=torch.uint8)
    return as_bytes.view(torch.int32)


def count_up_to_two(bitmask: Tensor) -> list[int]:
    """How many tokens each row allows: 0, 1, or 2 for more; bitmask: [num_rows, mask_words] int32 on the CPU."""
    assert bitmask.dtype == torch.int32, f"token bitmask: expected int32 words, got {bitmask.dtype}"
    words = bitmask.numpy().view(np.uint32)
    num_words = np.count_nonzero(words, axis=1)
    has_two_in_a_word = np.count_nonzero(words & (words - np.uint32(1)), axis=1) > 0
    counts: list[int] = np.where(has_two_in_a_word, 2, np.minimum(num_words, 2)).tolist()
    return counts


def forbid_tokens(row: Tensor, token_ids: Iterable[int]) -> None:
    """Clear the bits of some tokens of one row, in place; row: [mask_words] int32 on the CPU."""
    words = row.numpy().view(np.uint32)
    for token_id in token_ids:
        words[token_id // _BITS_PER_WORD] &= np.uint32(0xFFFFFFFF ^ (1 << token_id % _BITS_PER_WORD))


def apply_token_bitmask(logits: Tensor, bitmask: Tensor) -> None:
    """Set the logits of tokens that are not allowed to -inf, in place.

    logits: [num_rows, vocab_size] float32, none of them NaN or +inf; bitmask: [num_rows, mask_words] int32, on the
    same device. The mask is spread to 0 and -inf by a table of bytes and added: that costs the same whatever the mask
    is, where a select pays for mispredicted branches (10 times as much for a half-full mask, on a CPU).
    """
    if logits.is_cuda:
        from .cuda.token_bitmask import apply_token_bitmask as apply_token_bitmask_cuda

        apply_token_bitmask_cuda(logits, bitmask)
        return
    vocab_size = logits.shape[1]
    expected = (logits.shape[0], mask_words(vocab_size))
    assert logits.dtype == torch.float32, f"apply_token_bitmask: expected float32 logits, got {logits.dtype}"
    assert tuple(bitmask.shape) == expected, (
        f"apply_token_bitmask: expected a bitmask of shape {expected} for logits of {tuple(logits.shape)}, "
        f"got {tuple(bitmask.shape)}"
    )
    logits += _spread(bitmask, vocab_size, _bias_of_byte(logits.device))


def _spread(bitmask: Tensor, vocab_size: int, table: Tensor) -> Tensor:
    """Eight entries of `table` [256, 8] for each byte of the mask: [num_rows, vocab_size]."""
    assert bitmask.dtype == torch.int32, f"token bitmask: expected int32 words, got {bitmask.dtype}"
    as_bytes = bitmask.contiguous().view(torch.uint8).flatten().int()
    return table.index_select(0, as_bytes).view(bitmask.shape[0], -1)[:, :vocab_size]


@lru_cache
def _allowed_of_byte(device: torch.device) -> Tensor:
    bits = torch.arange(256, device=device)[:, None] >> torch.arange(8, device=device)
    return (bits & 1).bool()


@lru_cache
def _bias_of_byte(device: torch.device) -> Tensor:
    return torch.where(_allowed_of_byte(device), 0.0, -torch.inf)

"""Rotary position embedding: turn each pair of channels of a head by an angle that grows with the position."""

import torch
from torch import Tensor


def rotary_table(inverse_frequencies: Tensor, num_positions: int, scale: float = 1.0) -> Tensor:
    """`scale * exp(i * position * frequency)` for the positions from 0: [num_positions, head_dim / 2] complex64.

    inverse_frequencies: [head_dim / 2] float32.
    """
    positions = torch.arange(num_positions, dtype=torch.float32, device=inverse_frequencies.device)
    angles = torch.outer(positions, inverse_frequencies)
    return torch.polar(torch.full_like(angles, scale), angles)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotary embedding (Su et al. 2021, arXiv:2104.09864) of neighbouring channels: (0, 1), (2, 3), ...

    A pair of neighbours is one complex number, so that the whole of it is one multiplication. Checkpoints that pair
    channel i with i + head_dim / 2 have their rows put in this order when they are loaded (`interleave_heads`); the
    products of queries and keys are the same.

    x: [num_tokens, num_heads, head_dim], the last dimension contiguous.
    turns: [num_tokens, 1, head_dim / 2] complex64, rows of `rotary_table`.
    Returns: x's shape and dtype, contiguous; the arithmetic is in float32.
    """
    if x.is_cuda:
        from .cuda.rotary import rotate as rotate_cuda  # triton is no dependency of a CPU

        return rotate_cuda(x, turns)
    pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def interleave_heads(rows: Tensor, head_dim: int) -> Tensor:
    """Reorder the channels of each head from halves (0 .. d/2-1 | d/2 .. d-1) to pairs (0, d/2, 1, d/2+1, ...).

    rows: [num_heads * head_dim, ...]: the rows of a query or key projection, its bias, or a norm's weight.
    """
    halves = rows.view(-1, 2, head_dim // 2, *rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape)

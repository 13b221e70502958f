"""Rotary embedding of neighbouring channels; see `kernels.rotary.rotate`, the twin."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase
from .rounding import rounded

_HEADS = 4  # of a token, turned by one program
_NUM_WARPS = 2


@triton.jit
def turned(values, turns, is_inside, HEADS: tl.constexpr, BLOCK_DIM: tl.constexpr):
    """Pairs (0, 1), (2, 3), ... of `values` [HEADS, BLOCK_DIM] float32, each times its complex number.

    turns: pointer to the token's [head_dim / 2] pairs of real and imaginary part; is_inside: [BLOCK_DIM / 2].
    """
    pair = tl.arange(0, BLOCK_DIM // 2)
    real = tl.load(turns + 2 * pair, mask=is_inside, other=0.0)[None, :]
    imaginary = tl.load(turns + 2 * pair + 1, mask=is_inside, other=0.0)[None, :]
    even, odd = tl.split(tl.reshape(values, (HEADS, BLOCK_DIM // 2, 2)))
    both = tl.join(even * real - odd * imaginary, even * imaginary + odd * real)
    return tl.reshape(both, (HEADS, BLOCK_DIM))


@triton.jit
def rotate_kernel(
    x, x_stride, x_head_stride, turns, out, num_heads, head_dim, HEADS: tl.constexpr, BLOCK_DIM: tl.constexpr
):
    """Some heads of one token."""
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    channel = tl.arange(0, BLOCK_DIM)
    is_inside = (head < num_heads)[:, None] & (channel < head_dim)[None, :]
    values = tl.load(
        x + token * x_stride + head[:, None] * x_head_stride + channel[None, :], mask=is_inside, other=0.0
    ).to(tl.float32)
    values = turned(values, turns + token * head_dim, tl.arange(0, BLOCK_DIM // 2) * 2 < head_dim, HEADS, BLOCK_DIM)
    place = (token * num_heads + head[:, None]) * head_dim + channel[None, :]
    tl.store(out + place, rounded(values, out.dtype.element_ty), mask=is_inside)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """x: [num_tokens, num_heads, head_dim], the last dimension contiguous; turns: [num_tokens, 1, head_dim / 2]
    complex64, contiguous. Returns x's shape and dtype, contiguous."""
    num_tokens, num_heads, head_dim = x.shape
    check_turns("rotate", turns, num_tokens, head_dim)
    assert x.stride(2) == 1, f"rotate: expected contiguous heads, got strides {x.stride()}"
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if num_tokens > 0:
        rotate_kernel[(num_tokens, triton.cdiv(num_heads, _HEADS))](
            x, x.stride(0), x.stride(1), torch.view_as_real(turns), out, num_heads, head_dim,
            HEADS=_HEADS, BLOCK_DIM=triton.next_power_of_2(head_dim), num_warps=_NUM_WARPS,
        )  # fmt: skip
    return out


def check_turns(operator: str, turns: Tensor, num_tokens: int, head_dim: int) -> None:
    """Raise unless the turns are those of the tokens."""
    expected = (num_tokens, 1, head_dim // 2)
    assert head_dim % 2 == 0, f"{operator}: expected an even head_dim, got {head_dim}"
    assert tuple(turns.shape) == expected, f"{operator}: expected turns {expected}, got {tuple(turns.shape)}"
    assert turns.dtype == torch.complex64, f"{operator}: expected complex64 turns, got {turns.dtype}"
    assert turns.is_contiguous(), f"{operator}: expected contiguous turns, got strides {turns.stride()}"


_SIGNATURE = {
    "x": "*bf16", "x_stride": "i32", "x_head_stride": "i32", "turns": "*fp32", "out": "*bf16", "num_heads": "i32",
    "head_dim": "i32",
}  # fmt: skip
AOT_CASES = tuple(
    AotCase(
        f"rotate {dim}",
        rotate_kernel,
        _SIGNATURE,
        {"HEADS": _HEADS, "BLOCK_DIM": dim},
        _NUM_WARPS,
        3,
        aligned_numbers=("x_stride", "x_head_stride", "head_dim"),
    )
    for dim in (64, 128, 256)
)

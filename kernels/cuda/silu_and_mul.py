"""SiLU-gated product; see `kernels.silu_and_mul`, the twin."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase
from .rounding import rounded

_BLOCK = 1024
_NUM_WARPS = 4


@triton.jit
def silu_and_mul_kernel(x, x_stride, out, size, BLOCK: tl.constexpr):
    """Some channels of one token."""
    token = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    is_inside = channel < size
    dtype: tl.constexpr = out.dtype.element_ty
    gate = tl.load(x + token * x_stride + channel, mask=is_inside, other=0.0).to(tl.float32)
    up = tl.load(x + token * x_stride + size + channel, mask=is_inside, other=0.0).to(tl.float32)
    gated = rounded(gate / (1.0 + tl.exp(-gate)), dtype).to(tl.float32)
    tl.store(out + token * size + channel, rounded(gated * up, dtype), mask=is_inside)


def silu_and_mul(x: Tensor) -> Tensor:
    """x: [num_tokens, 2 * size], rows contiguous. Returns [num_tokens, size] in the same dtype."""
    assert (x.ndim, x.shape[-1] % 2) == (2, 0), f"silu_and_mul: expected [num_tokens, 2 * size], got {tuple(x.shape)}"
    assert x.stride(1) == 1, f"silu_and_mul: expected contiguous rows, got strides {x.stride()}"
    num_tokens, size = x.shape[0], x.shape[1] // 2
    out = torch.empty((num_tokens, size), dtype=x.dtype, device=x.device)
    if num_tokens > 0:
        silu_and_mul_kernel[(num_tokens, triton.cdiv(size, _BLOCK))](
            x, x.stride(0), out, size, BLOCK=_BLOCK, num_warps=_NUM_WARPS
        )
    return out


AOT_CASES = (
    AotCase(
        "silu and mul",
        silu_and_mul_kernel,
        {"x": "*bf16", "x_stride": "i32", "out": "*bf16", "size": "i32"},
        {"BLOCK": _BLOCK},
        _NUM_WARPS,
        3,
        aligned_numbers=("x_stride", "size"),
    ),
)

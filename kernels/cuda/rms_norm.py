"""RMSNorm, alone or after an addition to the residual stream; see `kernels.rms_norm` for the twins."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase
from .rounding import rounded


@triton.jit
def rms_norm_kernel(
    x,
    x_stride,
    x_head_stride,
    residual,
    sum_out,
    weight,
    weight_stride,
    out,
    num_heads,
    size,
    eps,
    HAS_RESIDUAL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One vector a program: its sum of squares is made by the same lanes whatever the batch is."""
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    index = tl.arange(0, BLOCK)
    is_inside = index < size
    place = (token * num_heads + head) * size + index
    dtype: tl.constexpr = out.dtype.element_ty
    values = tl.load(x + token * x_stride + head * x_head_stride + index, mask=is_inside, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        values += tl.load(residual + place, mask=is_inside, other=0.0).to(tl.float32)
        narrow = rounded(values, dtype)
        tl.store(sum_out + place, narrow, mask=is_inside)
        values = narrow.to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values, 0) / size + eps)
    weights = tl.load(weight + head * weight_stride + index, mask=is_inside, other=0.0).to(tl.float32)
    normed = rounded(values * scale, dtype).to(tl.float32)
    tl.store(out + place, rounded(normed * weights, dtype), mask=is_inside)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x: [num_tokens, size] or [num_tokens, num_heads, size], the last dimension contiguous; weight: [size] or, with
    heads, [num_heads, size], contiguous, in the dtype of x. Returns x's shape and dtype, contiguous."""
    return _launch(x, None, None, weight, eps)


def add_rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(norm of x + residual, x + residual); x: [num_tokens, size]; residual: the same shape, contiguous."""
    assert x.ndim == 2, f"add_rms_norm: expected [num_tokens, size], got {tuple(x.shape)}"
    assert x.shape == residual.shape, (
        f"add_rms_norm: expected two of a shape, got {tuple(x.shape)} and {tuple(residual.shape)}"
    )
    assert residual.is_contiguous(), "add_rms_norm: expected a contiguous residual"
    assert residual.dtype == x.dtype, f"add_rms_norm: expected a residual of {x.dtype}, got {residual.dtype}"
    total = torch.empty_like(residual)
    return _launch(x, residual, total, weight, eps), total


def _launch(x: Tensor, residual: Tensor | None, total: Tensor | None, weight: Tensor, eps: float) -> Tensor:
    assert x.ndim in (2, 3), f"rms_norm: expected 2 or 3 dimensions, got {x.ndim}"
    assert x.stride(-1) == 1, f"rms_norm: expected contiguous vectors, got strides {x.stride()}"
    assert weight.is_contiguous(), f"rms_norm: expected a contiguous weight, got strides {weight.stride()}"
    assert weight.dtype == x.dtype, f"rms_norm: expected a weight of {x.dtype}, got {weight.dtype}"
    size, num_heads = x.shape[-1], x.shape[1] if x.ndim == 3 else 1
    assert tuple(weight.shape) in ((size,), (num_heads, size)), (
        f"rms_norm: expected a weight of {(size,)} or {(num_heads, size)}, got {tuple(weight.shape)}"
    )
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if out.numel() == 0:
        return out
    block = triton.next_power_of_2(size)
    rms_norm_kernel[(x.shape[0], num_heads)](
        x, x.stride(0), x.stride(1) if x.ndim == 3 else 0, x if residual is None else residual,
        out if total is None else total, weight, size if weight.ndim == 2 else 0, out, num_heads, size, eps,
        HAS_RESIDUAL=residual is not None, BLOCK=block, num_warps=_num_warps(block),
    )  # fmt: skip
    return out


def _num_warps(block: int) -> int:
    return min(max(block // 512, 1), 16)


def _aot_case(block: int, has_residual: bool) -> AotCase:
    signature = {
        "x": "*bf16", "x_stride": "i32", "x_head_stride": "i32", "residual": "*bf16", "sum_out": "*bf16",
        "weight": "*bf16", "weight_stride": "i32", "out": "*bf16", "num_heads": "i32", "size": "i32", "eps": "fp32",
    }  # fmt: skip
    constants = {"HAS_RESIDUAL": has_residual, "BLOCK": block}
    name = f"{'add, ' if has_residual else ''}rms norm {block}"
    return AotCase(
        name,
        rms_norm_kernel,
        signature,
        constants,
        _num_warps(block),
        3,
        aligned_numbers=("x_stride", "x_head_stride", "weight_stride", "size"),
    )


AOT_CASES = (
    _aot_case(128, False),
    _aot_case(4096, False),
    _aot_case(4096, True),
    _aot_case(8192, True),
    _aot_case(16384, True),
)

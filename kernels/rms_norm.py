"""RMSNorm: scale each vector to a root mean square of 1, then by a weight for each channel."""

import torch
from torch import Tensor
from torch.nn import functional

from .cpu.library import cpu_library
from .cpu.rms_norm import can_norm, cpu_rms_norm


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`x / sqrt(mean(x^2) + eps) * weight` over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467).

    x: [..., size] model dtype; weight: [size], or any shape that broadcasts against x. Returns x's shape and dtype;
    the arithmetic is in float32.
    """
    if can_norm(x, weight) and (library := cpu_library()) is not None:
        return cpu_rms_norm(library, x, weight, eps)
    if x.is_cuda and x.ndim <= 3 and x.dtype == weight.dtype:
        from .cuda.rms_norm import rms_norm as rms_norm_cuda  # triton is no dependency of a CPU

        return rms_norm_cuda(x, weight, eps)
    if x.dtype == torch.float32:
        # Small operators, most of them on one number a row: on a CPU faster than torch's own rms_norm.
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        return torch.mul(x, scale).mul_(weight)
    return functional.rms_norm(x.float(), x.shape[-1:], None, eps).to(x.dtype) * weight


def add_rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(rms_norm(residual + x), residual + x), the sum rounded to its dtype before the norm.

    x, residual: [num_tokens, size] of one dtype, residual contiguous; weight: [size].
    """
    if x.is_cuda:
        from .cuda.rms_norm import add_rms_norm as add_rms_norm_cuda

        return add_rms_norm_cuda(x, residual, weight, eps)
    total = residual + x
    return rms_norm(total, weight, eps), total

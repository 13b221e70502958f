"""RMSNorm: scale each vector to a root mean square of 1, then by a weight for each channel."""

import torch
from torch import Tensor
from torch.nn import functional


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`x / sqrt(mean(x^2) + eps) * weight` over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467).

    x: [..., size] model dtype; weight: [size], or any shape that broadcasts against x. Returns x's shape and dtype;
    the arithmetic is in float32.
    """
    if x.dtype == torch.float32:
        # Small operators, most of them on one number a row: on a CPU faster than torch's own rms_norm.
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        return torch.mul(x, scale).mul_(weight)
    return functional.rms_norm(x.float(), x.shape[-1:], None, eps).to(x.dtype) * weight

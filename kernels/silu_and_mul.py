"""SiLU-gated product: the activation of a SwiGLU feed-forward block."""

from torch import Tensor
from torch.nn import functional


def silu_and_mul(x: Tensor) -> Tensor:
    """`silu(gate) * up` (Shazeer 2020, arXiv:2002.05202) for gate and up laid side by side.

    x: [num_tokens, 2 * size] model dtype. Returns [num_tokens, size] in the same dtype.
    """
    if x.is_cuda:
        from .cuda.silu_and_mul import silu_and_mul as silu_and_mul_cuda  # triton is no dependency of a CPU

        return silu_and_mul_cuda(x)
    gate, up = x.chunk(2, -1)
    return functional.silu(gate).mul_(up)

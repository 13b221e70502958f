"""Linear products whose weight is kept in 8 bits: the operator, and the layer that holds such a weight."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .quantized_weight import QuantizedWeight


@dataclass(frozen=True)
class QuantizedLinear:
    """`x @ weight.T + bias` on a device: half the bytes of bfloat16 to read, which is what decoding waits for."""

    quantized: QuantizedWeight
    bias: Tensor | None  # [out_size]

    @property
    def weight(self) -> Tensor:
        """The rounded values, [out_size, in_size]."""
        return self.quantized.values

    def forward(self, x: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        """x: [num_tokens, in_size] -> [num_tokens, out_size] in `out_dtype` (None: that of x)."""
        return quantized_linear(x, self.quantized, self.bias, out_dtype=out_dtype)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """`residual + forward(x)`, rounded once."""
        return quantized_linear(x, self.quantized, self.bias, residual)


def quantized_linear(
    x: Tensor,
    weight: QuantizedWeight,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """`residual + x @ weight.T + bias`, summed in float32 and rounded once: [num_tokens, out_size].

    x: [num_tokens, in_size] model dtype; bias: [out_size]; residual: [num_tokens, out_size], contiguous;
    out_dtype: None for that of x.
    """
    if x.is_cuda:
        from .cuda.quantized_linear import quantized_linear as quantized_linear_cuda  # triton is no dependency of a CPU

        return quantized_linear_cuda(x, weight, bias, residual, out_dtype)
    out = x.float() @ weight.dequantized().t()
    if bias is not None:
        out += bias.float()
    if residual is not None:
        out += residual.float()
    return out.to(out_dtype or x.dtype)

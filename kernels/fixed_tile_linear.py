"""FixedTileLinear: products on a device in which no bit of a row depends on how many other rows there are."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FixedTileLinear:
    """`x @ weight.T + bias` by the Triton kernel that 8-bit weights have: tiles of one size, sums in one order.

    cuBLAS chooses its kernel, and with it the order of sums, by the number of rows. Here each tile of 16 rows reads the
    weight: as fast while reading it is what takes time, several times as slow over the rows of a long prompt.
    """

    weight: Tensor  # [out_size, in_size] model dtype, contiguous
    bias: Tensor | None  # [out_size]

    def forward(self, x: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        """x: [num_tokens, in_size] -> [num_tokens, out_size] in `out_dtype` (None: that of x)."""
        return self._multiply(x, None, out_dtype)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """`residual + forward(x)`, rounded once."""
        return self._multiply(x, residual, None)

    def _multiply(self, x: Tensor, residual: Tensor | None, out_dtype: torch.dtype | None) -> Tensor:
        from .cuda.quantized_linear import plain_linear  # triton is no dependency of a CPU

        return plain_linear(x, self.weight, self.bias, residual, out_dtype)

"""The port to linear products: weights are handed over once, in the layout that their kernel wants."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from .cpu.library import cpu_library
from .cpu.linear import INPUT_DTYPES, CpuLinear, can_pack, quantize_int8
from .fixed_tile_linear import FixedTileLinear
from .quantization import Quantization
from .quantized_linear import QuantizedLinear
from .quantized_weight import quantize_weight
from .torch_linear import TorchLinear


class Linear(Protocol):
    """`x @ weight.T + bias`, the weight held as its kernel wants it."""

    @property
    def weight(self) -> Tensor:
        """In the layout of the kernel."""
        ...

    def forward(self, x: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        """x: [num_tokens, in_size] model dtype -> [num_tokens, out_size] in `out_dtype` (None: that of x)."""
        ...

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """`residual + forward(x)`: [num_tokens, out_size] model dtype."""
        ...


class ProductsDependOnRows(ValueError):
    """No kernel here makes products in which the bits of a row do not depend on the other rows."""


def linear_of(
    parts: Sequence[Tensor],
    bias: Tensor | None,
    dtype: torch.dtype,
    device: torch.device,
    quantization: Quantization | None = None,
    *,
    is_deterministic: bool = False,
) -> Linear:
    """The product with `parts`, one below the other, for inputs of `dtype` on `device`.

    parts: [part_size, in_size] each, as they were saved; bias: [out_size] as saved. On a CPU with the C kernels the
    weights are kept as bfloat16 where that is what all of them are, also for float32 inputs: that loses nothing, and
    decoding takes as long as reading them. Else they are cast to `dtype`, or rounded as `quantization` says; `fp8` on a
    CPU, and `int8` where PyTorch serves there, are widened again, so that a model says the same, but no faster.

    is_deterministic: no bit of a row's result may depend on the other rows. On CUDA products with plain weights then
    have tiles of one size, which is slow with many rows. Raises ProductsDependOnRows where nothing here promises it.
    """
    library = cpu_library() if device.type == "cpu" and dtype in INPUT_DTYPES else None
    if bias is not None:
        bias = bias.to(device, dtype)
    if quantization is not None and device.type == "cuda":
        return QuantizedLinear(quantize_weight(torch.cat([part.to(device) for part in parts]), quantization), bias)
    if is_deterministic and device.type == "cuda":
        return FixedTileLinear(torch.cat([part.to(device, dtype) for part in parts]), bias)
    if quantization == "fp8":
        parts, quantization = [quantize_weight(part, "fp8").dequantized() for part in parts], None
    if library is not None and all(map(can_pack, parts)):
        if quantization == "int8":
            rounded, scales = zip(*map(quantize_int8, parts), strict=True)
            return CpuLinear(library, torch.cat(rounded), bias, torch.cat(scales))
        is_small = dtype == torch.bfloat16 or all(part.dtype == torch.bfloat16 for part in parts)
        kept = torch.bfloat16 if is_small else torch.float32
        return CpuLinear(library, torch.cat([part.to(kept) for part in parts]), bias)
    if is_deterministic:
        raise ProductsDependOnRows(
            f"expected weights that the C kernels of a CPU multiply, or a CUDA device, got {dtype} inputs of "
            f"{parts[0].shape[1]} numbers on {device.type}, where the bits of PyTorch's products depend on the number "
            "of rows; see the line `cpu kernels` of `palmette env`"
        )
    weight = _transposed([part if quantization is None else _rounded(part) for part in parts], dtype, device)
    return TorchLinear(weight, bias)


def _rounded(part: Tensor) -> Tensor:
    values, scales = quantize_int8(part)
    return values * scales[:, None]


def _transposed(parts: Sequence[Tensor], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The parts one below the other, in memory column by column: [in_size, out_size]."""
    out = torch.empty((parts[0].shape[1], sum(map(len, parts))), dtype=dtype, device=device)
    first = 0
    for part in parts:
        out[:, first : first + len(part)].t().copy_(part)
        first += len(part)
    return out

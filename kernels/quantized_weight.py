"""QuantizedWeight: a linear layer's weight in 8 bits, with a scale for each output or for each block."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .quantization import Quantization


@dataclass(frozen=True)
class QuantizedWeight:
    """`values * scales`, each scale spread over its block of `block_out` outputs by `block_in` inputs."""

    values: Tensor  # [out_size, in_size] int8 or float8_e4m3fn, contiguous
    scales: Tensor  # [ceil(out_size / block_out), ceil(in_size / block_in)] float32, contiguous
    block_out: int
    block_in: int

    def __post_init__(self) -> None:
        assert self.values.dtype in (torch.int8, torch.float8_e4m3fn), (
            f"QuantizedWeight: expected int8 or float8_e4m3fn values, got {self.values.dtype}"
        )
        out_size, in_size = self.values.shape
        expected = (-(-out_size // self.block_out), -(-in_size // self.block_in))
        assert tuple(self.scales.shape) == expected, (
            f"QuantizedWeight: expected scales of {expected}, got {tuple(self.scales.shape)}"
        )
        assert self.scales.dtype == torch.float32, f"QuantizedWeight: expected float32 scales, got {self.scales.dtype}"
        for name, tensor in (("values", self.values), ("scales", self.scales)):
            assert tensor.is_contiguous(), f"QuantizedWeight: expected contiguous {name}, got {tensor.stride()}"

    def dequantized(self) -> Tensor:
        """[out_size, in_size] float32."""
        out_size, in_size = self.values.shape
        scales = self.scales.repeat_interleave(self.block_out, 0)[:out_size]
        return self.values.float() * scales.repeat_interleave(self.block_in, 1)[:, :in_size]


def quantize_weight(
    weight: Tensor, quantization: Quantization, block_out: int = 1, block_in: int | None = None
) -> QuantizedWeight:
    """Round to the nearest, each block scaled so that its largest value is the largest there is.

    weight: [out_size, in_size], finite; block_in: a power of two >= 64, None for all inputs: a scale for each output.
    """
    out_size, in_size = weight.shape
    if block_in is None:
        block_in = in_size
    elif block_in < 64 or block_in & (block_in - 1):
        raise ValueError(f"block_in: expected a power of two >= 64 or None, got {block_in}")
    if block_out < 1:
        raise ValueError(f"block_out: expected an integer >= 1, got {block_out}")
    num_out, num_in = -(-out_size // block_out), -(-in_size // block_in)
    padded = weight.new_zeros((num_out * block_out, num_in * block_in), dtype=torch.float32)
    padded[:out_size, :in_size] = weight
    blocks = padded.view(num_out, block_out, num_in, block_in)
    largest = 127.0 if quantization == "int8" else 448.0
    scales = blocks.abs().amax((1, 3)) / largest
    scales.masked_fill_(scales == 0, 1.0)
    scaled = (blocks / scales[:, None, :, None]).clamp_(-largest, largest)
    if quantization == "int8":
        values = scaled.round_().to(torch.int8)
    else:
        values = scaled.to(torch.float8_e4m3fn)
    values = values.view(padded.shape)[:out_size, :in_size].contiguous()
    return QuantizedWeight(values, scales.contiguous(), block_out, block_in)

"""Linear products with weights rounded to 8 bits, int8 or e4m3, widened in registers; activations are as they were.

And with plain weights, for who wants the bits of a token not to depend on the others.

out = (x @ weight.T) with the weight's outputs as rows of the tensor unit's tile and the tokens as columns, so that a
decode step's few tokens fill a narrow tile and the widened weights never leave registers. The tile and the number of
parts that the inputs are split into depend on the weight's shape alone, and parts are added in order: what a token
gets does not depend on the others.
"""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..quantized_weight import QuantizedWeight
from .aot_case import AotCase
from .rounding import IS_INTERPRETED, rounded

_BLOCK_OUT = 64
_BLOCK_IN = 64
_BLOCK_TOKENS = 16
_NUM_WARPS = 4
_NUM_STAGES = 4
_MIN_PROGRAMS = 264
"""Twice the multiprocessors of an H200: with fewer outputs the inputs are split."""


# The number of tokens changes from step to step, and must not mean another compilation.
@triton.jit(do_not_specialize=["num_tokens"])
def quantized_linear_kernel(
    x,
    x_stride,
    weight,
    scales,
    partial,
    num_tokens,
    in_size,
    out_size,
    num_blocks_in,
    part_len,
    IS_FP8: tl.constexpr,
    HAS_SCALES: tl.constexpr,
    BLOCK_SIZE_IN: tl.constexpr,
    BLOCK_SIZE_OUT: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
):
    """One part of the inputs, for a tile of outputs and tokens: float32 sums to partial[part][token][output]."""
    output = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    token = tl.program_id(1) * BLOCK_TOKENS + tl.arange(0, BLOCK_TOKENS)
    part = tl.program_id(2)
    is_output, is_token = output < out_size, token < num_tokens
    weight_rows = weight + output.to(tl.int64)[:, None] * in_size
    x_columns = x + token.to(tl.int64)[None, :] * x_stride
    scale_rows = scales + (output // BLOCK_SIZE_OUT) * num_blocks_in
    sums = tl.zeros((BLOCK_OUT, BLOCK_TOKENS), tl.float32)
    for first in range(part * part_len, tl.minimum((part + 1) * part_len, in_size), BLOCK_IN):
        index = first + tl.arange(0, BLOCK_IN)
        is_input = index < in_size
        values = tl.load(weight_rows + index[None, :], mask=is_output[:, None] & is_input[None, :], other=0)
        inputs = tl.load(x_columns + index[:, None], mask=is_input[:, None] & is_token[None, :], other=0.0)
        if IS_INTERPRETED:
            inputs = inputs.to(tl.float32)
        if IS_FP8:
            # The bits of an e4m3 number, moved to where a float16 has them, are that number times 2**-8, exactly, also
            # where it is subnormal; so old devices and the interpreter need no conversion of their own.
            bits = ((values.to(tl.uint16) & 0x80) << 8) | ((values.to(tl.uint16) & 0x7F) << 7)
            wide = bits.to(tl.float16, bitcast=True).to(inputs.dtype)
        else:
            wide = values.to(inputs.dtype)  # plain weights are of that type
        products = tl.dot(wide, inputs, input_precision="ieee")
        if HAS_SCALES:
            products *= tl.load(scale_rows + first // BLOCK_SIZE_IN, mask=is_output, other=0.0)[:, None]
        sums += products
    if IS_FP8:
        sums *= 256.0
    place = (part.to(tl.int64) * num_tokens + token[None, :]) * out_size + output[:, None]
    tl.store(partial + place, sums, mask=is_output[:, None] & is_token[None, :])


@triton.jit
def add_parts_kernel(
    partial, bias, residual, out, num_parts, size, out_size, HAS_BIAS: tl.constexpr, HAS_RESIDUAL: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The parts in order, then the bias, then the residual, rounded once."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    is_inside = index < size
    total = tl.zeros((BLOCK,), tl.float32)
    source = partial + index
    for _ in range(num_parts):
        total += tl.load(source, mask=is_inside, other=0.0)
        source += size  # not part * size, which may be past 32 bits
    if HAS_BIAS:
        total += tl.load(bias + index % out_size, mask=is_inside, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        total += tl.load(residual + index, mask=is_inside, other=0.0).to(tl.float32)
    tl.store(out + index, rounded(total, out.dtype.element_ty), mask=is_inside)


def quantized_linear(
    x: Tensor,
    weight: QuantizedWeight,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """`residual + x @ weight.T + bias`, summed in float32: [num_tokens, out_size] in `out_dtype` (None: that of x).

    x: [num_tokens, in_size], rows contiguous; bias: [out_size]; residual: [num_tokens, out_size] contiguous.
    """
    assert weight.block_in % _BLOCK_IN == 0 or weight.block_in >= x.shape[1], (
        f"quantized_linear: expected blocks of a multiple of {_BLOCK_IN} inputs, got {weight.block_in}"
    )
    return _multiply(x, weight.values, weight, bias, residual, out_dtype)


def plain_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """The same with a weight that is not rounded: [out_size, in_size] in the dtype of x, contiguous."""
    assert weight.dtype == x.dtype, f"plain_linear: expected a weight of {x.dtype}, got {weight.dtype}"
    assert weight.is_contiguous(), f"plain_linear: expected a contiguous weight, got strides {weight.stride()}"
    return _multiply(x, weight, None, bias, residual, out_dtype)


def _multiply(
    x: Tensor,
    values: Tensor,
    rounding: QuantizedWeight | None,
    bias: Tensor | None,
    residual: Tensor | None,
    out_dtype: torch.dtype | None,
) -> Tensor:
    """values: [out_size, in_size]; rounding: which scales they have, None: none."""
    num_tokens, in_size = x.shape
    out_size = values.shape[0]
    assert in_size == values.shape[1], f"quantized_linear: expected {values.shape[1]} inputs, got {in_size}"
    assert x.stride(1) == 1, f"quantized_linear: expected contiguous rows, got strides {x.stride()}"
    for name, tensor, shape in (("bias", bias, (out_size,)), ("residual", residual, (num_tokens, out_size))):
        if tensor is not None:
            assert tuple(tensor.shape) == shape, (
                f"quantized_linear: expected a {name} of {shape}, got {tuple(tensor.shape)}"
            )
            assert tensor.is_contiguous(), f"quantized_linear: expected a contiguous {name}"
    out = torch.empty((num_tokens, out_size), dtype=out_dtype or x.dtype, device=x.device)
    if num_tokens == 0:
        return out
    part_len = part_len_of(in_size, out_size)
    num_parts = triton.cdiv(in_size, part_len)
    partial = torch.empty((num_parts, num_tokens, out_size), dtype=torch.float32, device=x.device)
    is_fp8 = values.dtype == torch.float8_e4m3fn
    block_in, block_out = (_BLOCK_IN, 1) if rounding is None else (rounding.block_in, rounding.block_out)
    scales, num_blocks_in = (partial, 1) if rounding is None else (rounding.scales, rounding.scales.shape[1])
    grid = (triton.cdiv(out_size, _BLOCK_OUT), triton.cdiv(num_tokens, _BLOCK_TOKENS), num_parts)
    quantized_linear_kernel[grid](
        x, x.stride(0), values.view(torch.uint8) if is_fp8 else values, scales, partial, num_tokens, in_size, out_size,
        num_blocks_in, part_len, IS_FP8=is_fp8, HAS_SCALES=rounding is not None,
        BLOCK_SIZE_IN=triton.next_power_of_2(max(block_in, _BLOCK_IN)), BLOCK_SIZE_OUT=block_out,
        BLOCK_OUT=_BLOCK_OUT, BLOCK_IN=_BLOCK_IN, BLOCK_TOKENS=_BLOCK_TOKENS,
        num_warps=_NUM_WARPS, num_stages=_NUM_STAGES,
    )  # fmt: skip
    add_parts_kernel[(triton.cdiv(out.numel(), 1024),)](
        partial, out if bias is None else bias, out if residual is None else residual, out, num_parts, out.numel(),
        out_size, HAS_BIAS=bias is not None, HAS_RESIDUAL=residual is not None, BLOCK=1024, num_warps=4,
    )  # fmt: skip
    return out


def part_len_of(in_size: int, out_size: int) -> int:
    """How many inputs one program sums up; a multiple of its step, by the shape of the weight alone."""
    num_parts = max(1, _MIN_PROGRAMS // triton.cdiv(out_size, _BLOCK_OUT))
    return int(triton.cdiv(triton.cdiv(in_size, num_parts), 4 * _BLOCK_IN) * 4 * _BLOCK_IN)


def _aot_case(weight_type: str, block_in: int, block_out: int) -> AotCase:
    signature = {
        "x": "*bf16", "x_stride": "i32", "weight": weight_type, "scales": "*fp32", "partial": "*fp32",
        "num_tokens": "i32", "in_size": "i32", "out_size": "i32", "num_blocks_in": "i32", "part_len": "i32",
    }  # fmt: skip
    constants = {
        "IS_FP8": weight_type == "*u8",
        "HAS_SCALES": weight_type != "*bf16",
        "BLOCK_SIZE_IN": block_in,
        "BLOCK_SIZE_OUT": block_out,
        "BLOCK_OUT": _BLOCK_OUT,
        "BLOCK_IN": _BLOCK_IN,
        "BLOCK_TOKENS": _BLOCK_TOKENS,
    }
    names = {"*i8": "int8 linear", "*u8": "fp8 linear", "*bf16": "linear of fixed tiles"}
    name = names[weight_type] if weight_type == "*bf16" else f"{names[weight_type]}, scales of {block_out}x{block_in}"
    # As the launcher finds them of a model's weights: reads are wide and in flight early then, which takes registers.
    aligned = ("x_stride", "in_size", "out_size", "part_len")
    return AotCase(
        name, quantized_linear_kernel, signature, constants, _NUM_WARPS, _NUM_STAGES, aligned_numbers=aligned
    )


AOT_CASES = (
    _aot_case("*i8", 4096, 1),
    _aot_case("*i8", 128, 128),
    _aot_case("*u8", 4096, 1),
    _aot_case("*u8", 128, 128),
    _aot_case("*bf16", 64, 1),
    AotCase(
        "add parts of a linear",
        add_parts_kernel,
        {
            "partial": "*fp32",
            "bias": "*bf16",
            "residual": "*bf16",
            "out": "*bf16",
            "num_parts": "i32",
            "size": "i32",
            "out_size": "i32",
        },
        {"HAS_BIAS": True, "HAS_RESIDUAL": True, "BLOCK": 1024},
        4,
        3,
    ),
)

"""Rounding to the model's dtype and to fp8, also in triton's interpreter, whose conversion to bfloat16 is wrong."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

IS_INTERPRETED = tl.constexpr(bool(triton.knobs.runtime.interpret))
"""Chosen, as triton itself does, when the kernels are imported."""


@triton.jit
def rounded(x, dtype: tl.constexpr):
    """float32 to `dtype`, to the nearest, ties to even."""
    if IS_INTERPRETED and dtype == tl.bfloat16:
        bits = x.to(tl.uint32, bitcast=True)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        result = bits.to(tl.uint16).to(tl.bfloat16, bitcast=True)
    else:
        result = x.to(dtype)
    return result


@triton.jit
def e4m3_bits(x):
    """float32 to the bits of the nearest float8_e4m3fn, ties to even, as uint8; what is too large becomes the largest.

    By integers, so that no device needs a conversion of its own, and the interpreter has the same bits.
    """
    magnitude = tl.minimum(tl.abs(x), 448.0)
    bits = magnitude.to(tl.int32, bitcast=True)
    # Three bits of the mantissa stay; the exponent's bias goes from 127 to 7.
    normal = ((bits + 0x7FFFF + ((bits >> 20) & 1)) >> 20) - (120 << 3)
    # Below 2**-6 numbers are multiples of 2**-9, which is what 2**14 and more can be told apart by.
    tiny = (magnitude + 16384.0).to(tl.int32, bitcast=True) & 0xF
    sign = (x.to(tl.int32, bitcast=True) >> 24) & 0x80
    return (tl.where(magnitude < 0.015625, tiny, normal) | sign).to(tl.uint8)

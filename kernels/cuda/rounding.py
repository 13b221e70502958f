"""Rounding to the model's dtype, also in triton's interpreter, whose own conversion to bfloat16 is wrong."""

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

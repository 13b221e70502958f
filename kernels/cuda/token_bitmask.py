"""Applying packed masks to logits; see `kernels.token_bitmask.apply_token_bitmask`, the twin."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase

_BLOCK = 2048
_NUM_WARPS = 4


@triton.jit
def apply_token_bitmask_kernel(logits, logits_stride, bitmask, bitmask_stride, vocab_size, BLOCK: tl.constexpr):
    """Some tokens of one row; what is allowed is neither read nor written."""
    row = tl.program_id(0).to(tl.int64)
    ids = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    is_inside = ids < vocab_size
    words = tl.load(bitmask + row * bitmask_stride + (ids >> 5), mask=is_inside, other=-1)
    is_forbidden = is_inside & (((words >> (ids & 31)) & 1) == 0)
    tl.store(logits + row * logits_stride + ids, tl.full((BLOCK,), -float("inf"), tl.float32), mask=is_forbidden)


def apply_token_bitmask(logits: Tensor, bitmask: Tensor) -> None:
    """logits: [num_rows, vocab_size] float32, in place; bitmask: [num_rows, mask_words] int32; rows contiguous."""
    num_rows, vocab_size = logits.shape
    expected = (num_rows, triton.cdiv(vocab_size, 32))
    assert logits.dtype == torch.float32, f"apply_token_bitmask: expected float32 logits, got {logits.dtype}"
    assert bitmask.dtype == torch.int32, f"token bitmask: expected int32 words, got {bitmask.dtype}"
    assert tuple(bitmask.shape) == expected, (
        f"apply_token_bitmask: expected a bitmask of shape {expected} for logits of {tuple(logits.shape)}, "
        f"got {tuple(bitmask.shape)}"
    )
    for name, tensor in (("logits", logits), ("bitmask", bitmask)):
        assert tensor.stride(1) == 1, f"apply_token_bitmask: expected contiguous rows of {name}, got {tensor.stride()}"
    if num_rows == 0:
        return
    apply_token_bitmask_kernel[(num_rows, triton.cdiv(vocab_size, _BLOCK))](
        logits, logits.stride(0), bitmask, bitmask.stride(0), vocab_size, BLOCK=_BLOCK, num_warps=_NUM_WARPS
    )


_SIGNATURE = {
    "logits": "*fp32", "logits_stride": "i32", "bitmask": "*i32", "bitmask_stride": "i32", "vocab_size": "i32",
}  # fmt: skip
AOT_CASES = (AotCase("apply token bitmask", apply_token_bitmask_kernel, _SIGNATURE, {"BLOCK": _BLOCK}, _NUM_WARPS, 3),)

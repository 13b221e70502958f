"""The merge kernel: results over parts of a row's cells become one, weighted by their sums of exponents.

As in Flash-Decoding (Dao et al. 2023) and FlashInfer (Ye et al. 2025, arXiv:2501.01005): attention over a union of
disjoint sets of cells is the mean of the attentions over the sets, weighted by exp(log-sum-exp).
"""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl


@triton.jit
def merge_state(acc, log_sum, total, part, part_log_sum):
    """Add parts to a running mean. acc, part: [n, dims]; the others [n]. acc / total is the mean up to here.

    `log_sum` is the greatest of the log2-sums so far and `total` is in units of its exponent. A part that saw no cell
    (-inf) leaves every bit as it was.
    """
    new_max = tl.maximum(log_sum, part_log_sum)
    pivot = tl.where(new_max == float("-inf"), 0.0, new_max)
    decay = tl.exp2(log_sum - pivot)
    weight = tl.exp2(part_log_sum - pivot)
    return tl.fma(acc, decay[:, None], weight[:, None] * part), new_max, tl.fma(total, decay, weight)


@triton.jit
def merge_kernel(
    partial_out,  # [num_slots, num_heads, HEAD_DIM] float32
    partial_log_sum,  # [num_slots, num_heads] float32, base 2
    out,  # [num_tokens, num_heads, HEAD_DIM]
    sinks,  # [num_heads] float32
    tokens,  # [num_merged] int32 of the batch; negative: nothing to do
    offsets,  # [num_merged + 1] int32 into `slots`
    slots,  # int32, of each token the parts in the order of their cells
    num_heads,
    v_scale,
    HEAD_DIM: tl.constexpr,
    PADDED_DIM: tl.constexpr,
    BLOCK_PARTS: tl.constexpr,  # parts merged at a time; 1: one after the other, in an order no batch changes
    HAS_SINKS: tl.constexpr,
):
    """Grid: num_merged, num_heads."""
    token = tl.load(tokens + tl.program_id(0))
    if token < 0:
        return
    head = tl.program_id(1)
    dims = tl.arange(0, PADDED_DIM)
    stop = tl.load(offsets + tl.program_id(0) + 1)
    log_sum = tl.full([1], float("-inf"), tl.float32)
    total = tl.zeros([1], tl.float32)
    acc = tl.zeros([1, PADDED_DIM], tl.float32)
    for first in range(tl.load(offsets + tl.program_id(0)), stop, BLOCK_PARTS):
        parts = first + tl.arange(0, BLOCK_PARTS)
        is_part = parts < stop
        places = tl.load(slots + parts, mask=is_part, other=0).to(tl.int64) * num_heads + head
        part_log_sum = tl.load(partial_log_sum + places, mask=is_part, other=float("-inf"))
        is_element = is_part[:, None] & (dims < HEAD_DIM)[None, :]
        part = tl.load(partial_out + places[:, None] * HEAD_DIM + dims[None, :], mask=is_element, other=0.0)
        if BLOCK_PARTS > 1:
            top = tl.max(part_log_sum, 0)
            pivot = tl.where(top == float("-inf"), 0.0, top)
            weights = tl.exp2(part_log_sum - pivot)
            weight = tl.sum(weights, 0)
            divisor = tl.where(weight > 0.0, weight, 1.0)
            part = (tl.sum(weights[:, None] * part, 0) / divisor)[None, :]
            part_log_sum = tl.where(weight > 0.0, pivot + tl.log2(divisor), float("-inf")) + tl.zeros([1], tl.float32)
        acc, log_sum, total = merge_state(acc, log_sum, total, part, part_log_sum)
    divisor = tl.where(total > 0.0, total, 1.0)
    if HAS_SINKS:
        pivot = tl.where(total > 0.0, log_sum, 0.0)
        divisor = divisor + tl.exp2(tl.load(sinks + head) * 1.4426950408889634 - pivot)
    acc = acc / divisor[:, None]
    out_elements = out + (token.to(tl.int64) * num_heads + head) * HEAD_DIM + dims[None, :]
    tl.store(out_elements, (acc * v_scale).to(out.dtype.element_ty), mask=(dims < HEAD_DIM)[None, :])

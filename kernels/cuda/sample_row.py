"""What the phases of sampling read of a row: fields of its line in the table, logits under its mask, distances."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

NUM_FIELDS = tl.constexpr(13)
"""int64 words that say how a row is sampled, in this order; reals are the bits of a float64. See `SampleTable`."""

TEMPERATURE, TOP_P, MIN_P, TOP_K = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)
SEED, PATH, POSITION = tl.constexpr(4), tl.constexpr(5), tl.constexpr(6)
FIRST_ENTRY, END_ENTRY = tl.constexpr(7), tl.constexpr(8)
MASK = tl.constexpr(9)  # one more than which mask the row has; 0: none
LAST_BIN, IS_EXTREME = tl.constexpr(10), tl.constexpr(11)
NUM_TOP = tl.constexpr(12)

NUM_BINS = tl.constexpr(512)
"""Bins of 1/16 of a distance; who is 31.9 or more behind, past any noise and any weight, is in the last."""

BINS_PER_NAT = tl.constexpr(16.0)
WEIGHT_ONE = tl.constexpr(1099511627776.0)  # 2**40, as in the twin
NO_ID = tl.constexpr(2147483647)


@triton.jit
def temperature_32_of(temperature):
    """The temperature to estimate by, within what float32 has; where that matters the row is marked as extreme."""
    return tl.minimum(tl.maximum(temperature, 1e-37), 1e37).to(tl.float32)


@triton.jit
def load_masked(logits, bitmask, ids, is_inside, has_mask):
    """The logits of tokens, -inf where the bitmask says no."""
    values = tl.load(logits + ids, mask=is_inside, other=-float("inf"))
    words = tl.load(bitmask + (ids >> 5), mask=is_inside & has_mask, other=-1)
    return tl.where(((words >> (ids & 31)) & 1) != 0, values, -float("inf"))


@triton.jit
def bin_of(values, best, temperature_32):
    """How far behind, in bins: int32. A superset's measure: a bin is left out only when it and the next one can be."""
    bins = (best - values) / temperature_32 * BINS_PER_NAT
    return tl.where(values == -float("inf"), NUM_BINS - 1, tl.minimum(bins, NUM_BINS - 1.0)).to(tl.int32)


@triton.jit
def distance_of(values, best, temperature):
    return (best.to(tl.float64) - values.to(tl.float64)) / temperature


@triton.jit
def weight_of(distance):
    return (tl.exp(-distance) * WEIGHT_ONE).to(tl.int64)


@triton.jit
def row_best(part_best, num_chunks, CHUNKS: tl.constexpr):
    index = tl.arange(0, CHUNKS)
    return tl.max(tl.load(part_best + index, mask=index < num_chunks, other=-float("inf")), 0)

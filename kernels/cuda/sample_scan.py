"""First phase of sampling: a chunk's logits are adjusted and masked, its best is found, its mass is summed."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

from .sample_row import END_ENTRY, FIRST_ENTRY, MASK, NO_ID, NUM_BINS, load_masked


@triton.jit
def _adjust_entries(logits, entry_ids, entry_values, saved, num_entries, row_table, first_id, BLOCK: tl.constexpr):
    """Penalties and biases of the chunk's tokens, in place; what was there goes to `saved`.

    entry_values: [3][num_entries] float32: repetition penalty, penalty for counts, bias.
    """
    first, last = tl.load(row_table + FIRST_ENTRY), tl.load(row_table + END_ENTRY)
    for start in range(first, last, BLOCK):
        index = start + tl.arange(0, BLOCK)
        ids = tl.load(entry_ids + index, mask=index < last, other=NO_ID)
        is_here = (ids >= first_id) & (ids < first_id + BLOCK)
        raw = tl.load(logits + ids, mask=is_here, other=0.0)
        tl.store(saved + index, raw, mask=is_here)
        penalty = tl.load(entry_values + index, mask=is_here, other=1.0)
        value = tl.where(raw > 0, tl.div_rn(raw, penalty), raw * penalty)
        value += tl.load(entry_values + num_entries + index, mask=is_here, other=0.0)
        bias = tl.load(entry_values + 2 * num_entries + index, mask=is_here, other=0.0)
        value = tl.where(bias == -float("inf"), bias, value + bias)  # a ban stands, whatever the logit became
        tl.store(logits + ids, value, mask=is_here)
    tl.debug_barrier()


@triton.jit
def scan_chunk(
    logits,
    bitmask,
    entry_ids,
    entry_values,
    saved,
    num_entries,
    row_table,
    part_best,
    part_best_id,
    part_mass,
    counts,
    list_len,
    vocab_size,
    num_chunks,
    chunk,
    HAS_REPORT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The chunk's best token: +inf where there is a NaN or +inf. All pointers are the row's own.

    part_mass: [4][num_chunks] float32: largest logit and sum of exponentials below it, of all tokens and of those that
    the bitmask allows, before any adjustment.
    """
    first_id = chunk * BLOCK
    ids = first_id + tl.arange(0, BLOCK)
    is_inside = ids < vocab_size
    has_mask = tl.load(row_table + MASK) != 0
    raw = tl.load(logits + ids, mask=is_inside, other=-float("inf"))
    is_wrong = tl.max((~(raw < float("inf"))).to(tl.int32), 0)
    values = load_masked(logits, bitmask, ids, is_inside, has_mask)
    if HAS_REPORT:
        largest, allowed_largest = tl.max(raw, 0), tl.max(values, 0)
        base = tl.where(largest == -float("inf"), 0.0, largest)
        allowed_base = tl.where(allowed_largest == -float("inf"), 0.0, allowed_largest)
        tl.store(part_mass + chunk, largest)
        tl.store(part_mass + num_chunks + chunk, tl.sum(tl.exp(raw - base), 0))
        tl.store(part_mass + 2 * num_chunks + chunk, allowed_largest)
        tl.store(part_mass + 3 * num_chunks + chunk, tl.sum(tl.exp(values - allowed_base), 0))
    if tl.load(row_table + END_ENTRY) > tl.load(row_table + FIRST_ENTRY):
        tl.debug_barrier()
        _adjust_entries(logits, entry_ids, entry_values, saved, num_entries, row_table, first_id, BLOCK)
        values = load_masked(logits, bitmask, ids, is_inside, has_mask)
        is_wrong = tl.maximum(is_wrong, tl.max((~(values < float("inf"))).to(tl.int32), 0))
    best = tl.max(tl.where(values < float("inf"), values, -float("inf")), 0)
    best_id = tl.min(tl.where(values == best, ids, NO_ID), 0)
    tl.store(part_best + chunk, tl.where(is_wrong != 0, float("inf"), best))
    tl.store(part_best_id + chunk, best_id)
    if chunk == 0:
        tl.store(counts + tl.arange(0, NUM_BINS), tl.zeros((NUM_BINS,), tl.int32))
        tl.store(list_len, 0)

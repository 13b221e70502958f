"""Last phase of sampling: of a whole row, the token and what is reported of it."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

from .sample_filters import draw_listed
from .sample_row import END_ENTRY, FIRST_ENTRY, MIN_P, NO_ID, NUM_TOP, TEMPERATURE, TOP_K, TOP_P
from .sample_search import best_chunk_winner
from .sample_top import report_top


@triton.jit
def _log_mass(part_mass, num_chunks, CHUNKS: tl.constexpr):
    """logsumexp of the chunks' parts, in their order: float64."""
    index = tl.arange(0, CHUNKS)
    is_there = index < num_chunks
    largest = tl.load(part_mass + index, mask=is_there, other=-float("inf")).to(tl.float64)
    sums = tl.load(part_mass + num_chunks + index, mask=is_there, other=0.0).to(tl.float64)
    base = tl.max(largest, 0)
    return base + tl.log(tl.sum(sums * tl.exp(largest - base), 0))


@triton.jit
def choose_token(
    logits,
    bitmask,
    entry_ids,
    saved,
    row_table,
    part_best,
    part_best_id,
    part_mass,
    part_weight,
    part_winner,
    list_ids,
    list_len,
    out,
    vocab_size,
    num_chunks,
    HAS_REPORT: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
    LIST_BLOCK: tl.constexpr,
):
    """The row's line of `SampledRows`; the logits get back what the adjustments replaced."""
    index = tl.arange(0, CHUNKS)
    bests = tl.load(part_best + index, mask=index < num_chunks, other=-float("inf"))
    best = tl.max(bests, 0)
    best_ids = tl.load(part_best_id + index, mask=index < num_chunks, other=NO_ID)
    token_id = tl.min(tl.where(bests == best, best_ids, NO_ID), 0)
    if (tl.load(row_table + TEMPERATURE).to(tl.float64, bitcast=True) > 0.0) & (tl.abs(best) < float("inf")):
        is_filtered = (
            (tl.load(row_table + TOP_K) < vocab_size)
            | (tl.load(row_table + TOP_P).to(tl.float64, bitcast=True) < 1.0)
            | (tl.load(row_table + MIN_P).to(tl.float64, bitcast=True) > 0.0)
        )
        if is_filtered:
            token_id = draw_listed(
                logits,
                row_table,
                best,
                part_weight,
                list_ids,
                tl.load(list_len),
                vocab_size,
                num_chunks,
                CHUNKS,
                LIST_BLOCK,
            )
        else:
            token_id = best_chunk_winner(logits, bitmask, row_table, best, part_winner, num_chunks, CHUNKS)
    token_id = tl.minimum(token_id, vocab_size - 1)  # where there is none, `best` says so
    tl.debug_barrier()
    end = tl.load(row_table + END_ENTRY)
    for start in range(tl.load(row_table + FIRST_ENTRY), end, LIST_BLOCK):
        entry = start + tl.arange(0, LIST_BLOCK)
        ids = tl.load(entry_ids + entry, mask=entry < end, other=0)
        tl.store(logits + ids, tl.load(saved + entry, mask=entry < end), mask=entry < end)
    tl.debug_barrier()
    tl.store(out, token_id.to(tl.int64))
    tl.store(out + 1, best.to(tl.float64).to(tl.int64, bitcast=True))
    if HAS_REPORT:
        of_all = _log_mass(part_mass, num_chunks, CHUNKS)
        logprob = tl.load(logits + token_id).to(tl.float64) - of_all
        log_mass = tl.minimum(_log_mass(part_mass + 2 * num_chunks, num_chunks, CHUNKS) - of_all, 0.0)
        tl.store(out + 2, logprob.to(tl.int64, bitcast=True))
        tl.store(out + 3, log_mass.to(tl.int64, bitcast=True))
        num_top = tl.load(row_table + NUM_TOP)
        report_top(logits, part_mass, out + 4, num_top, of_all, vocab_size, num_chunks, BLOCK, CHUNKS)

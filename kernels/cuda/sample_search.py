"""Third phase of sampling: the chunk's winner with noise, or its tokens that may pass the filters."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

from .gumbel_noise import NOISE_ERROR, estimated_noise, exact_noise
from .sample_filters import last_bin
from .sample_row import (
    IS_EXTREME,
    MASK,
    MIN_P,
    NO_ID,
    PATH,
    POSITION,
    SEED,
    TEMPERATURE,
    TOP_K,
    TOP_P,
    bin_of,
    distance_of,
    load_masked,
    row_best,
    temperature_32_of,
)

_NOISE_RANGE = tl.constexpr(20.0)  # as `kernels.philox.GUMBEL_RANGE`


@triton.jit
def best_key_of(logits, bitmask, row_table, best, ids, is_there, best_key, winner):
    """The better of a winner so far and of some tokens, whose keys are made exactly; the lowest id among equals."""
    values = load_masked(logits, bitmask, ids, is_there, tl.load(row_table + MASK) != 0)
    noise = exact_noise(ids, tl.load(row_table + SEED), tl.load(row_table + PATH), tl.load(row_table + POSITION))
    keys = noise - distance_of(values, best, tl.load(row_table + TEMPERATURE).to(tl.float64, bitcast=True))
    keys = tl.where(values == -float("inf"), -float("inf"), keys)
    key = tl.max(keys, 0)
    token_id = tl.min(tl.where(keys == key, ids, NO_ID), 0)
    token_id = tl.where(key > best_key, token_id, tl.where(key == best_key, tl.minimum(winner, token_id), winner))
    return tl.maximum(best_key, key), token_id


@triton.jit
def _exact_winner(logits, bitmask, row_table, best, first_id, vocab_size, BLOCK: tl.constexpr):
    """The chunk's winner where the estimates leave more than one; rarely, so in parts that need few registers."""
    best_key, winner = tl.full((), -float("inf"), tl.float64), tl.full((), NO_ID, tl.int32)
    PART: tl.constexpr = BLOCK if BLOCK < 512 else 512
    for start in range(first_id, first_id + BLOCK, PART):
        ids = start + tl.arange(0, PART)
        best_key, winner = best_key_of(logits, bitmask, row_table, best, ids, ids < vocab_size, best_key, winner)
    return winner


@triton.jit
def search_chunk(
    logits,
    bitmask,
    row_table,
    part_best,
    part_weight,
    part_winner,
    counts,
    list_ids,
    list_len,
    vocab_size,
    num_chunks,
    chunk,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    """The chunk's winner with noise, of a row without filters; with filters, its tokens that may pass to `list_ids`.

    The order of the list is chance; nothing that is done with it depends on the order.
    """
    temperature = tl.load(row_table + TEMPERATURE).to(tl.float64, bitcast=True)
    best = row_best(part_best, num_chunks, CHUNKS)
    is_extreme = tl.load(row_table + IS_EXTREME) != 0
    if (temperature > 0.0) & (tl.abs(best) < float("inf")):
        first_id = chunk * BLOCK
        ids = first_id + tl.arange(0, BLOCK)
        values = load_masked(logits, bitmask, ids, ids < vocab_size, tl.load(row_table + MASK) != 0)
        temperature_32 = temperature_32_of(temperature)
        is_filtered = (
            (tl.load(row_table + TOP_K) < vocab_size)
            | (tl.load(row_table + TOP_P).to(tl.float64, bitcast=True) < 1.0)
            | (tl.load(row_table + MIN_P).to(tl.float64, bitcast=True) > 0.0)
        )
        if is_filtered:
            last = last_bin(row_table, counts, part_weight, vocab_size, num_chunks, CHUNKS)
            is_listed = (bin_of(values, best, temperature_32) <= last) | (is_extreme & (values > -float("inf")))
            num_listed = tl.sum(is_listed.to(tl.int32), 0)
            if num_listed > 0:
                start = tl.atomic_add(list_len, num_listed)
                places = start + tl.cumsum(is_listed.to(tl.int32), 0) - 1
                tl.store(list_ids + places, ids, mask=is_listed)
        else:
            winner = tl.full((), NO_ID, tl.int32)
            # A chunk so far behind that no noise makes up for it, as most are under a grammar, is left at that.
            if ((best - tl.load(part_best + chunk)) / temperature_32 < _NOISE_RANGE) | is_extreme:
                seed, path, position = (
                    tl.load(row_table + SEED),
                    tl.load(row_table + PATH),
                    tl.load(row_table + POSITION),
                )
                estimates = (values - best) / temperature_32 + estimated_noise(first_id, seed, path, position, BLOCK)
                is_near = (estimates >= tl.max(estimates, 0) - 2 * NOISE_ERROR) & (values > -float("inf"))
                winner = tl.min(tl.where(is_near, ids, NO_ID), 0)
                if (tl.sum(is_near.to(tl.int32), 0) > 1) | is_extreme:
                    winner = _exact_winner(logits, bitmask, row_table, best, first_id, vocab_size, BLOCK)
            # Where the chunk has no candidate, any token will do: its own key is what it is judged by.
            tl.store(part_winner + chunk, tl.minimum(winner, vocab_size - 1))


@triton.jit
def best_chunk_winner(logits, bitmask, row_table, best, part_winner, num_chunks, CHUNKS: tl.constexpr):
    """The best of the chunks' winners, the lowest id among equals."""
    index = tl.arange(0, CHUNKS)
    ids = tl.load(part_winner + index, mask=index < num_chunks, other=0)
    _, winner = best_key_of(
        logits, bitmask, row_table, best, ids, index < num_chunks, tl.full((), -float("inf"), tl.float64), NO_ID
    )
    return winner

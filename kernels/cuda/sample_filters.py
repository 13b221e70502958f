"""Top-k, top-p and min-p without a sort: tokens are counted by bins; who may pass is listed, and the list is cut."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

from .gumbel_noise import exact_noise
from .sample_row import (
    BINS_PER_NAT,
    IS_EXTREME,
    LAST_BIN,
    MASK,
    MIN_P,
    NO_ID,
    NUM_BINS,
    PATH,
    POSITION,
    SEED,
    TEMPERATURE,
    TOP_K,
    TOP_P,
    WEIGHT_ONE,
    bin_of,
    distance_of,
    load_masked,
    row_best,
    temperature_32_of,
    weight_of,
)


@triton.jit
def count_chunk(
    logits,
    bitmask,
    row_table,
    part_best,
    part_weight,
    counts,
    vocab_size,
    num_chunks,
    chunk,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    """Add the chunk to the row's `counts` [NUM_BINS] int32, and sum its weights, for top-p alone, exactly."""
    has_top_k, has_top_p = (
        tl.load(row_table + TOP_K) < vocab_size,
        tl.load(row_table + TOP_P).to(tl.float64, bitcast=True) < 1.0,
    )
    best = row_best(part_best, num_chunks, CHUNKS)
    if (
        (tl.load(row_table + TEMPERATURE).to(tl.float64, bitcast=True) > 0.0)
        & (has_top_k | has_top_p)
        & (tl.abs(best) < float("inf"))
    ):
        ids = chunk * BLOCK + tl.arange(0, BLOCK)
        values = load_masked(logits, bitmask, ids, ids < vocab_size, tl.load(row_table + MASK) != 0)
        temperature = tl.load(row_table + TEMPERATURE).to(tl.float64, bitcast=True)
        bins = bin_of(values, best, temperature_32_of(temperature))
        num_here = tl.histogram(bins, NUM_BINS)
        tl.atomic_add(counts + tl.arange(0, NUM_BINS), num_here, mask=num_here > 0, sem="relaxed")
        if has_top_p & (has_top_k == 0):
            weights = weight_of(distance_of(values, best, temperature))
            tl.store(part_weight + chunk, tl.sum(weights, 0))


@triton.jit
def total_weight(part_weight, num_chunks, CHUNKS: tl.constexpr):
    index = tl.arange(0, CHUNKS)
    return tl.sum(tl.load(part_weight + index, mask=index < num_chunks, other=0), 0)


@triton.jit
def limit_of(total, top_p):
    """The weight that top-p wants: max(1, ceil(total * top_p)) in float64, as the twin."""
    wanted = total.to(tl.float64) * top_p
    whole = wanted.to(tl.int64)
    return tl.maximum(whole + (whole.to(tl.float64) < wanted).to(tl.int64), 1)


@triton.jit
def last_bin(row_table, counts, part_weight, vocab_size, num_chunks, CHUNKS: tl.constexpr):
    """The last bin that may hold a token which the filters leave."""
    top_k, top_p = tl.load(row_table + TOP_K), tl.load(row_table + TOP_P).to(tl.float64, bitcast=True)
    index = tl.arange(0, NUM_BINS)
    last = NUM_BINS - 2
    if tl.load(row_table + IS_EXTREME) == 0:
        if top_k < vocab_size:
            num_until = tl.cumsum(tl.load(counts + index), 0)
            last = tl.sum((num_until < top_k).to(tl.int32), 0)
        elif top_p < 1.0:
            limit = limit_of(total_weight(part_weight, num_chunks, CHUNKS), top_p)
            # What the tokens weigh at least: at the far end of their bin, a little more for the estimate.
            lightest = tl.exp(-(index + 1).to(tl.float32) / BINS_PER_NAT - 1e-3).to(tl.float64) * WEIGHT_ONE - 1.0
            weights = tl.load(counts + index).to(tl.float64) * tl.maximum(lightest, 0.0)
            last = tl.sum((tl.cumsum(weights, 0) < limit.to(tl.float64)).to(tl.int32), 0)
    # One bin more, since bins are made in float32 and ranks in float64.
    return tl.minimum(tl.minimum(last + 1, tl.load(row_table + LAST_BIN).to(tl.int32)), NUM_BINS - 2)


@triton.jit
def listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK: tl.constexpr):
    """Ids and distances of some listed tokens; past the list's end: no id, and infinitely far."""
    index = start + tl.arange(0, LIST_BLOCK)
    is_there = index < num_listed
    ids = tl.load(list_ids + index, mask=is_there, other=NO_ID)
    values = tl.load(logits + ids, mask=is_there, other=-float("inf"))
    return ids, distance_of(values, best, temperature)


@triton.jit
def amounts_of(ids, distances, cut_distance, cut_id, has_weights):
    """What each token adds to the sum that a cut limits: its weight, or one; nothing if an earlier cut dropped it."""
    is_kept = (ids != NO_ID) & ((distances < cut_distance) | ((distances == cut_distance) & (ids <= cut_id)))
    amounts = tl.where(has_weights, weight_of(distances), 1)
    return tl.where(is_kept, amounts, 0), is_kept


@triton.jit
def cut(
    logits,
    list_ids,
    num_listed,
    best,
    temperature,
    limit,
    has_weights,
    cut_distance,
    cut_id,
    vocab_size,
    LIST_BLOCK: tl.constexpr,
):
    """Where, from the best on, the sum of the amounts reaches `limit`: the (distance, id) of the last token to stay.

    Bisection over the distance, each step of which ends on a token's own, so that it stops after some log2 of the
    list's length; then over the ids of equals. Amounts are integers: the sums are exact in any order.
    """
    low, high = tl.full((), -1.0, tl.float64), tl.full((), 0.0, tl.float64)
    total = tl.full((), 0, tl.int64)
    for start in range(0, num_listed, LIST_BLOCK):
        ids, distances = listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
        amounts, is_kept = amounts_of(ids, distances, cut_distance, cut_id, has_weights)
        total += tl.sum(amounts, 0)
        high = tl.maximum(high, tl.max(tl.where(is_kept, distances, 0.0), 0))
    if total >= limit:
        sum_before = tl.full((), 0, tl.int64)
        is_found = tl.full((), 0, tl.int32)
        while is_found == 0:
            # Below `limit` up to `low`, not up to `high`.
            middle = 0.5 * (low + high)
            middle = tl.where(middle < high, middle, low)
            sum_until = tl.full((), 0, tl.int64)
            before, after = tl.full((), -1.0, tl.float64), tl.full((), float("inf"), tl.float64)
            for start in range(0, num_listed, LIST_BLOCK):
                ids, distances = listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                amounts, is_kept = amounts_of(ids, distances, cut_distance, cut_id, has_weights)
                is_until = distances <= middle
                sum_until += tl.sum(tl.where(is_until, amounts, 0), 0)
                before = tl.maximum(before, tl.max(tl.where(is_kept & is_until, distances, -1.0), 0))
                after = tl.minimum(after, tl.min(tl.where(is_kept & (distances > middle), distances, float("inf")), 0))
            if sum_until >= limit:
                high = before
            elif after >= high:
                sum_before, is_found = sum_until, tl.full((), 1, tl.int32)
            else:
                sum_after = tl.full((), 0, tl.int64)
                for start in range(0, num_listed, LIST_BLOCK):
                    ids, distances = listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                    amounts, is_kept = amounts_of(ids, distances, cut_distance, cut_id, has_weights)
                    sum_after += tl.sum(tl.where(distances <= after, amounts, 0), 0)
                if sum_after >= limit:
                    high, sum_before, is_found = after, sum_until, tl.full((), 1, tl.int32)
                else:
                    low = after
        # Equals weigh the same: how many of them does it take?
        amount, num_equals = tl.full((), 0, tl.int64), tl.full((), 0, tl.int64)
        for start in range(0, num_listed, LIST_BLOCK):
            ids, distances = listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
            amounts, is_kept = amounts_of(ids, distances, cut_distance, cut_id, has_weights)
            amount = tl.maximum(amount, tl.max(tl.where(distances == high, amounts, 0), 0))
            num_equals += tl.sum((is_kept & (distances == high)).to(tl.int64), 0)
        num_wanted = (limit - sum_before + amount - 1) // amount
        first, last = tl.full((), -1, tl.int32), tl.full((), 0, tl.int32) + (vocab_size - 1)
        if num_wanted >= num_equals:
            first = last
        while last - first > 1:
            middle_id = (first + last) // 2
            num_until = tl.full((), 0, tl.int64)
            for start in range(0, num_listed, LIST_BLOCK):
                ids, distances = listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                amounts, is_kept = amounts_of(ids, distances, cut_distance, cut_id, has_weights)
                num_until += tl.sum((is_kept & (distances == high) & (ids <= middle_id)).to(tl.int64), 0)
            if num_until >= num_wanted:
                last = middle_id
            else:
                first = middle_id
        cut_distance, cut_id = high, last
    return cut_distance, cut_id


@triton.jit
def draw_listed(
    logits,
    row_table,
    best,
    part_weight,
    list_ids,
    num_listed,
    vocab_size,
    num_chunks,
    CHUNKS: tl.constexpr,
    LIST_BLOCK: tl.constexpr,
):
    """The token that wins among those that top-k, top-p and min-p leave."""
    temperature = tl.load(row_table + TEMPERATURE).to(tl.float64, bitcast=True)
    top_p = tl.load(row_table + TOP_P).to(tl.float64, bitcast=True)
    min_p = tl.load(row_table + MIN_P).to(tl.float64, bitcast=True)
    top_k = tl.load(row_table + TOP_K)
    cut_distance, cut_id = tl.full((), float("inf"), tl.float64), tl.full((), NO_ID, tl.int32)
    for step in range(2):  # top-k, by number; then top-p, by weight, of what top-k leaves
        is_on, limit = top_k < vocab_size, top_k
        if (step == 1) & (top_p < 1.0):
            total = tl.full((), 0, tl.int64)
            if is_on:
                for start in range(0, num_listed, LIST_BLOCK):
                    ids, distances = listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                    amounts, _ = amounts_of(ids, distances, cut_distance, cut_id, True)
                    total += tl.sum(amounts, 0)
            else:
                total = total_weight(part_weight, num_chunks, CHUNKS)
            limit = limit_of(total, top_p)
        if ((step == 0) & is_on) | ((step == 1) & (top_p < 1.0)):
            cut_distance, cut_id = cut(
                logits, list_ids, num_listed, best, temperature, limit, step == 1, cut_distance, cut_id, vocab_size,
                LIST_BLOCK,
            )  # fmt: skip
    best_key, token_id = tl.full((), -float("inf"), tl.float64), tl.full((), NO_ID, tl.int32)
    seed, path, position = tl.load(row_table + SEED), tl.load(row_table + PATH), tl.load(row_table + POSITION)
    for start in range(0, num_listed, LIST_BLOCK):
        ids, distances = listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
        _, is_kept = amounts_of(ids, distances, cut_distance, cut_id, False)
        is_kept = is_kept & (tl.exp(-distances) >= min_p)
        keys = tl.where(is_kept, exact_noise(ids, seed, path, position) - distances, -float("inf"))
        key = tl.max(keys, 0)
        winner = tl.min(tl.where(keys == key, ids, NO_ID), 0)
        token_id = tl.where(key > best_key, winner, tl.where(key == best_key, tl.minimum(token_id, winner), token_id))
        best_key = tl.maximum(best_key, key)
    return token_id

"""The phases of sampling on the device; each handles a chunk of one row's tokens, the last a whole row.

    scan_chunk    adjusts the logits, masks them, finds the chunk's best             (all rows)
    count_chunk   adds up how many tokens, of what weight, lie how far behind        (rows with top-k or top-p)
    search_chunk  the chunk's winner with noise; or lists who may pass the filters   (rows with a temperature)
    choose_token  filters what was listed, exactly; draws; reports                   (all rows)

A phase reads what all chunks of the row wrote in the one before. Scores are -distance, and
distance = (best - logit) / temperature in float64, as in the twin `kernels.sampling.draw_tokens`; everything that
decides between tokens is either that, an integer, or an estimate with a margin behind which the exact number is taken.
"""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

from .gumbel_noise import NOISE_ERROR, estimated_noise, exact_noise

NUM_FIELDS = tl.constexpr(12)
"""int64 words that say how a row is sampled, in this order; reals are the bits of a float64. See `SampleTable`."""

_TEMPERATURE, _TOP_P, _MIN_P, _TOP_K = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)
_SEED, _PATH, _POSITION = tl.constexpr(4), tl.constexpr(5), tl.constexpr(6)
_FIRST_ENTRY, _END_ENTRY, _HAS_MASK = tl.constexpr(7), tl.constexpr(8), tl.constexpr(9)
_LAST_BIN, _IS_EXTREME = tl.constexpr(10), tl.constexpr(11)

NUM_BINS = tl.constexpr(512)
"""Bins of 1/16 of a distance; who is 31.9 or more behind, past any noise and any weight, is in the last."""

_BINS_PER_NAT = tl.constexpr(16.0)
_WEIGHT_ONE = tl.constexpr(1099511627776.0)  # 2**40, as in the twin
_NO_ID = tl.constexpr(2147483647)
_NOISE_RANGE = tl.constexpr(20.0)  # as `kernels.philox.GUMBEL_RANGE`


@triton.jit
def _temperature_32(temperature):
    """The temperature to estimate by, within what float32 has; where that matters the row is marked as extreme."""
    return tl.minimum(tl.maximum(temperature, 1e-37), 1e37).to(tl.float32)


@triton.jit
def _load_masked(logits, bitmask, ids, is_inside, has_mask):
    """The logits of tokens, -inf where the bitmask says no."""
    values = tl.load(logits + ids, mask=is_inside, other=-float("inf"))
    words = tl.load(bitmask + (ids >> 5), mask=is_inside & has_mask, other=-1)
    return tl.where(((words >> (ids & 31)) & 1) != 0, values, -float("inf"))


@triton.jit
def _bin_of(values, best, temperature_32):
    """How far behind, in bins: int32. A superset's measure: a bin is left out only when it and the next one can be."""
    bins = (best - values) / temperature_32 * _BINS_PER_NAT
    return tl.where(values == -float("inf"), NUM_BINS - 1, tl.minimum(bins, NUM_BINS - 1.0)).to(tl.int32)


@triton.jit
def _distance(values, best, temperature):
    return (best.to(tl.float64) - values.to(tl.float64)) / temperature


@triton.jit
def _weight(distance):
    return (tl.exp(-distance) * _WEIGHT_ONE).to(tl.int64)


@triton.jit
def _row_best(part_best, num_chunks, CHUNKS: tl.constexpr):
    index = tl.arange(0, CHUNKS)
    return tl.max(tl.load(part_best + index, mask=index < num_chunks, other=-float("inf")), 0)


@triton.jit
def _adjust_entries(logits, entry_ids, entry_values, saved, num_entries, row_table, first_id, BLOCK: tl.constexpr):
    """Penalties and biases of the chunk's tokens, in place; what was there goes to `saved`.

    entry_values: [3][num_entries] float32: repetition penalty, penalty for counts, bias.
    """
    first, last = tl.load(row_table + _FIRST_ENTRY), tl.load(row_table + _END_ENTRY)
    for start in range(first, last, BLOCK):
        index = start + tl.arange(0, BLOCK)
        ids = tl.load(entry_ids + index, mask=index < last, other=_NO_ID)
        is_here = (ids >= first_id) & (ids < first_id + BLOCK)
        raw = tl.load(logits + ids, mask=is_here, other=0.0)
        tl.store(saved + index, raw, mask=is_here)
        penalty = tl.load(entry_values + index, mask=is_here, other=1.0)
        value = tl.where(raw > 0, tl.div_rn(raw, penalty), raw * penalty)
        value += tl.load(entry_values + num_entries + index, mask=is_here, other=0.0)
        value += tl.load(entry_values + 2 * num_entries + index, mask=is_here, other=0.0)
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
    WANTS_MASS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The chunk's best token: +inf where there is a NaN or +inf. All pointers are the row's own.

    part_mass: [4][num_chunks] float32: largest logit and sum of exponentials below it, of all tokens and of those that
    the bitmask allows, before any adjustment.
    """
    first_id = chunk * BLOCK
    ids = first_id + tl.arange(0, BLOCK)
    is_inside = ids < vocab_size
    has_mask = tl.load(row_table + _HAS_MASK) != 0
    raw = tl.load(logits + ids, mask=is_inside, other=-float("inf"))
    is_wrong = tl.max((~(raw < float("inf"))).to(tl.int32), 0)
    values = _load_masked(logits, bitmask, ids, is_inside, has_mask)
    if WANTS_MASS:
        largest, allowed_largest = tl.max(raw, 0), tl.max(values, 0)
        base = tl.where(largest == -float("inf"), 0.0, largest)
        allowed_base = tl.where(allowed_largest == -float("inf"), 0.0, allowed_largest)
        tl.store(part_mass + chunk, largest)
        tl.store(part_mass + num_chunks + chunk, tl.sum(tl.exp(raw - base), 0))
        tl.store(part_mass + 2 * num_chunks + chunk, allowed_largest)
        tl.store(part_mass + 3 * num_chunks + chunk, tl.sum(tl.exp(values - allowed_base), 0))
    if tl.load(row_table + _END_ENTRY) > tl.load(row_table + _FIRST_ENTRY):
        tl.debug_barrier()
        _adjust_entries(logits, entry_ids, entry_values, saved, num_entries, row_table, first_id, BLOCK)
        values = _load_masked(logits, bitmask, ids, is_inside, has_mask)
        is_wrong = tl.maximum(is_wrong, tl.max((~(values < float("inf"))).to(tl.int32), 0))
    best = tl.max(tl.where(values < float("inf"), values, -float("inf")), 0)
    best_id = tl.min(tl.where(values == best, ids, _NO_ID), 0)
    tl.store(part_best + chunk, tl.where(is_wrong != 0, float("inf"), best))
    tl.store(part_best_id + chunk, best_id)
    if chunk == 0:
        tl.store(counts + tl.arange(0, NUM_BINS), tl.zeros((NUM_BINS,), tl.int32))
        tl.store(list_len, 0)


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
        tl.load(row_table + _TOP_K) < vocab_size,
        tl.load(row_table + _TOP_P).to(tl.float64, bitcast=True) < 1.0,
    )
    best = _row_best(part_best, num_chunks, CHUNKS)
    if (
        (tl.load(row_table + _TEMPERATURE).to(tl.float64, bitcast=True) > 0.0)
        & (has_top_k | has_top_p)
        & (tl.abs(best) < float("inf"))
    ):
        ids = chunk * BLOCK + tl.arange(0, BLOCK)
        values = _load_masked(logits, bitmask, ids, ids < vocab_size, tl.load(row_table + _HAS_MASK) != 0)
        temperature = tl.load(row_table + _TEMPERATURE).to(tl.float64, bitcast=True)
        bins = _bin_of(values, best, _temperature_32(temperature))
        num_here = tl.histogram(bins, NUM_BINS)
        tl.atomic_add(counts + tl.arange(0, NUM_BINS), num_here, mask=num_here > 0, sem="relaxed")
        if has_top_p & (has_top_k == 0):
            weights = _weight(_distance(values, best, temperature))
            tl.store(part_weight + chunk, tl.sum(weights, 0))


@triton.jit
def _total_weight(part_weight, num_chunks, CHUNKS: tl.constexpr):
    index = tl.arange(0, CHUNKS)
    return tl.sum(tl.load(part_weight + index, mask=index < num_chunks, other=0), 0)


@triton.jit
def _limit_of(total, top_p):
    """The weight that top-p wants: max(1, ceil(total * top_p)) in float64, as the twin."""
    wanted = total.to(tl.float64) * top_p
    whole = wanted.to(tl.int64)
    return tl.maximum(whole + (whole.to(tl.float64) < wanted).to(tl.int64), 1)


@triton.jit
def _last_bin(row_table, counts, part_weight, vocab_size, num_chunks, CHUNKS: tl.constexpr):
    """The last bin that may hold a token which the filters leave."""
    top_k, top_p = tl.load(row_table + _TOP_K), tl.load(row_table + _TOP_P).to(tl.float64, bitcast=True)
    index = tl.arange(0, NUM_BINS)
    last = NUM_BINS - 2
    if tl.load(row_table + _IS_EXTREME) == 0:
        if top_k < vocab_size:
            num_until = tl.cumsum(tl.load(counts + index), 0)
            last = tl.sum((num_until < top_k).to(tl.int32), 0)
        elif top_p < 1.0:
            limit = _limit_of(_total_weight(part_weight, num_chunks, CHUNKS), top_p)
            # What the tokens weigh at least: at the far end of their bin, a little more for the estimate.
            lightest = tl.exp(-(index + 1).to(tl.float32) / _BINS_PER_NAT - 1e-3).to(tl.float64) * _WEIGHT_ONE - 1.0
            weights = tl.load(counts + index).to(tl.float64) * tl.maximum(lightest, 0.0)
            last = tl.sum((tl.cumsum(weights, 0) < limit.to(tl.float64)).to(tl.int32), 0)
    # One bin more, since bins are made in float32 and ranks in float64.
    return tl.minimum(tl.minimum(last + 1, tl.load(row_table + _LAST_BIN).to(tl.int32)), NUM_BINS - 2)


@triton.jit
def _best_key(logits, bitmask, row_table, best, ids, is_there, best_key, winner):
    """The better of a winner so far and of some tokens, whose keys are made exactly; the lowest id among equals."""
    values = _load_masked(logits, bitmask, ids, is_there, tl.load(row_table + _HAS_MASK) != 0)
    noise = exact_noise(ids, tl.load(row_table + _SEED), tl.load(row_table + _PATH), tl.load(row_table + _POSITION))
    keys = noise - _distance(values, best, tl.load(row_table + _TEMPERATURE).to(tl.float64, bitcast=True))
    keys = tl.where(values == -float("inf"), -float("inf"), keys)
    key = tl.max(keys, 0)
    token_id = tl.min(tl.where(keys == key, ids, _NO_ID), 0)
    token_id = tl.where(key > best_key, token_id, tl.where(key == best_key, tl.minimum(winner, token_id), winner))
    return tl.maximum(best_key, key), token_id


@triton.jit
def _exact_winner(logits, bitmask, row_table, best, first_id, vocab_size, BLOCK: tl.constexpr):
    """The chunk's winner where the estimates leave more than one; rarely, so in parts that need few registers."""
    best_key, winner = tl.full((), -float("inf"), tl.float64), tl.full((), _NO_ID, tl.int32)
    PART: tl.constexpr = BLOCK if BLOCK < 512 else 512
    for start in range(first_id, first_id + BLOCK, PART):
        ids = start + tl.arange(0, PART)
        best_key, winner = _best_key(logits, bitmask, row_table, best, ids, ids < vocab_size, best_key, winner)
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
    temperature = tl.load(row_table + _TEMPERATURE).to(tl.float64, bitcast=True)
    best = _row_best(part_best, num_chunks, CHUNKS)
    is_extreme = tl.load(row_table + _IS_EXTREME) != 0
    if (temperature > 0.0) & (tl.abs(best) < float("inf")):
        first_id = chunk * BLOCK
        ids = first_id + tl.arange(0, BLOCK)
        values = _load_masked(logits, bitmask, ids, ids < vocab_size, tl.load(row_table + _HAS_MASK) != 0)
        temperature_32 = _temperature_32(temperature)
        is_filtered = (
            (tl.load(row_table + _TOP_K) < vocab_size)
            | (tl.load(row_table + _TOP_P).to(tl.float64, bitcast=True) < 1.0)
            | (tl.load(row_table + _MIN_P).to(tl.float64, bitcast=True) > 0.0)
        )
        if is_filtered:
            last = _last_bin(row_table, counts, part_weight, vocab_size, num_chunks, CHUNKS)
            is_listed = (_bin_of(values, best, temperature_32) <= last) | (is_extreme & (values > -float("inf")))
            num_listed = tl.sum(is_listed.to(tl.int32), 0)
            if num_listed > 0:
                start = tl.atomic_add(list_len, num_listed)
                places = start + tl.cumsum(is_listed.to(tl.int32), 0) - 1
                tl.store(list_ids + places, ids, mask=is_listed)
        else:
            winner = tl.full((), _NO_ID, tl.int32)
            # A chunk so far behind that no noise makes up for it, as most are under a grammar, is left at that.
            if ((best - tl.load(part_best + chunk)) / temperature_32 < _NOISE_RANGE) | is_extreme:
                seed, path, position = (
                    tl.load(row_table + _SEED),
                    tl.load(row_table + _PATH),
                    tl.load(row_table + _POSITION),
                )
                estimates = (values - best) / temperature_32 + estimated_noise(first_id, seed, path, position, BLOCK)
                is_near = (estimates >= tl.max(estimates, 0) - 2 * NOISE_ERROR) & (values > -float("inf"))
                winner = tl.min(tl.where(is_near, ids, _NO_ID), 0)
                if (tl.sum(is_near.to(tl.int32), 0) > 1) | is_extreme:
                    winner = _exact_winner(logits, bitmask, row_table, best, first_id, vocab_size, BLOCK)
            # Where the chunk has no candidate, any token will do: its own key is what it is judged by.
            tl.store(part_winner + chunk, tl.minimum(winner, vocab_size - 1))


@triton.jit
def _best_chunk_winner(logits, bitmask, row_table, best, part_winner, num_chunks, CHUNKS: tl.constexpr):
    """The best of the chunks' winners, the lowest id among equals."""
    index = tl.arange(0, CHUNKS)
    ids = tl.load(part_winner + index, mask=index < num_chunks, other=0)
    _, winner = _best_key(
        logits, bitmask, row_table, best, ids, index < num_chunks, tl.full((), -float("inf"), tl.float64), _NO_ID
    )
    return winner


@triton.jit
def _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK: tl.constexpr):
    """Ids and distances of some listed tokens; past the list's end: no id, and infinitely far."""
    index = start + tl.arange(0, LIST_BLOCK)
    is_there = index < num_listed
    ids = tl.load(list_ids + index, mask=is_there, other=_NO_ID)
    values = tl.load(logits + ids, mask=is_there, other=-float("inf"))
    return ids, _distance(values, best, temperature)


@triton.jit
def _amounts(ids, distances, cut_distance, cut_id, has_weights):
    """What each token adds to the sum that a cut limits: its weight, or one; nothing if an earlier cut dropped it."""
    is_kept = (ids != _NO_ID) & ((distances < cut_distance) | ((distances == cut_distance) & (ids <= cut_id)))
    amounts = tl.where(has_weights, _weight(distances), 1)
    return tl.where(is_kept, amounts, 0), is_kept


@triton.jit
def _cut(
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
        ids, distances = _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
        amounts, is_kept = _amounts(ids, distances, cut_distance, cut_id, has_weights)
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
                ids, distances = _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                amounts, is_kept = _amounts(ids, distances, cut_distance, cut_id, has_weights)
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
                    ids, distances = _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                    amounts, is_kept = _amounts(ids, distances, cut_distance, cut_id, has_weights)
                    sum_after += tl.sum(tl.where(distances <= after, amounts, 0), 0)
                if sum_after >= limit:
                    high, sum_before, is_found = after, sum_until, tl.full((), 1, tl.int32)
                else:
                    low = after
        # Equals weigh the same: how many of them does it take?
        amount, num_equals = tl.full((), 0, tl.int64), tl.full((), 0, tl.int64)
        for start in range(0, num_listed, LIST_BLOCK):
            ids, distances = _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
            amounts, is_kept = _amounts(ids, distances, cut_distance, cut_id, has_weights)
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
                ids, distances = _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                amounts, is_kept = _amounts(ids, distances, cut_distance, cut_id, has_weights)
                num_until += tl.sum((is_kept & (distances == high) & (ids <= middle_id)).to(tl.int64), 0)
            if num_until >= num_wanted:
                last = middle_id
            else:
                first = middle_id
        cut_distance, cut_id = high, last
    return cut_distance, cut_id


@triton.jit
def _draw_listed(
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
    temperature = tl.load(row_table + _TEMPERATURE).to(tl.float64, bitcast=True)
    top_p = tl.load(row_table + _TOP_P).to(tl.float64, bitcast=True)
    min_p = tl.load(row_table + _MIN_P).to(tl.float64, bitcast=True)
    top_k = tl.load(row_table + _TOP_K)
    cut_distance, cut_id = tl.full((), float("inf"), tl.float64), tl.full((), _NO_ID, tl.int32)
    for step in range(2):  # top-k, by number; then top-p, by weight, of what top-k leaves
        is_on, limit = top_k < vocab_size, top_k
        if (step == 1) & (top_p < 1.0):
            total = tl.full((), 0, tl.int64)
            if is_on:
                for start in range(0, num_listed, LIST_BLOCK):
                    ids, distances = _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
                    amounts, _ = _amounts(ids, distances, cut_distance, cut_id, True)
                    total += tl.sum(amounts, 0)
            else:
                total = _total_weight(part_weight, num_chunks, CHUNKS)
            limit = _limit_of(total, top_p)
        if ((step == 0) & is_on) | ((step == 1) & (top_p < 1.0)):
            cut_distance, cut_id = _cut(
                logits, list_ids, num_listed, best, temperature, limit, step == 1, cut_distance, cut_id, vocab_size,
                LIST_BLOCK,
            )  # fmt: skip
    best_key, token_id = tl.full((), -float("inf"), tl.float64), tl.full((), _NO_ID, tl.int32)
    seed, path, position = tl.load(row_table + _SEED), tl.load(row_table + _PATH), tl.load(row_table + _POSITION)
    for start in range(0, num_listed, LIST_BLOCK):
        ids, distances = _listed(logits, list_ids, num_listed, start, best, temperature, LIST_BLOCK)
        _, is_kept = _amounts(ids, distances, cut_distance, cut_id, False)
        is_kept = is_kept & (tl.exp(-distances) >= min_p)
        keys = tl.where(is_kept, exact_noise(ids, seed, path, position) - distances, -float("inf"))
        key = tl.max(keys, 0)
        winner = tl.min(tl.where(keys == key, ids, _NO_ID), 0)
        token_id = tl.where(key > best_key, winner, tl.where(key == best_key, tl.minimum(token_id, winner), token_id))
        best_key = tl.maximum(best_key, key)
    return token_id


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
    out_token,
    out_best,
    out_mass,
    vocab_size,
    num_chunks,
    WANTS_MASS: tl.constexpr,
    CHUNKS: tl.constexpr,
    LIST_BLOCK: tl.constexpr,
):
    """The row's token, its best logit and its log-masses; the logits get back what the adjustments replaced."""
    index = tl.arange(0, CHUNKS)
    bests = tl.load(part_best + index, mask=index < num_chunks, other=-float("inf"))
    best = tl.max(bests, 0)
    best_ids = tl.load(part_best_id + index, mask=index < num_chunks, other=_NO_ID)
    token_id = tl.min(tl.where(bests == best, best_ids, _NO_ID), 0)
    if (tl.load(row_table + _TEMPERATURE).to(tl.float64, bitcast=True) > 0.0) & (tl.abs(best) < float("inf")):
        is_filtered = (
            (tl.load(row_table + _TOP_K) < vocab_size)
            | (tl.load(row_table + _TOP_P).to(tl.float64, bitcast=True) < 1.0)
            | (tl.load(row_table + _MIN_P).to(tl.float64, bitcast=True) > 0.0)
        )
        if is_filtered:
            token_id = _draw_listed(
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
            token_id = _best_chunk_winner(logits, bitmask, row_table, best, part_winner, num_chunks, CHUNKS)
    token_id = tl.minimum(token_id, vocab_size - 1)  # where there is none, `out_best` says so
    tl.debug_barrier()
    end = tl.load(row_table + _END_ENTRY)
    for start in range(tl.load(row_table + _FIRST_ENTRY), end, LIST_BLOCK):
        entry = start + tl.arange(0, LIST_BLOCK)
        ids = tl.load(entry_ids + entry, mask=entry < end, other=0)
        tl.store(logits + ids, tl.load(saved + entry, mask=entry < end), mask=entry < end)
    tl.debug_barrier()
    tl.store(out_token, token_id.to(tl.int64))
    tl.store(out_best, best)
    if WANTS_MASS:
        of_all = _log_mass(part_mass, num_chunks, CHUNKS)
        tl.store(out_mass, tl.load(logits + token_id).to(tl.float64) - of_all)
        tl.store(out_mass + 1, tl.minimum(_log_mass(part_mass + 2 * num_chunks, num_chunks, CHUNKS) - of_all, 0.0))

"""The attention kernel: one program attends some query tokens of one key head over a range of a row's cells.

Tiles of keys and values pass through an online softmax (FlashAttention-2, Dao 2023, arXiv:2307.08691). The query
heads of a key head lie along the rows of the tile next to the tokens, so a decode step reads each cell once for all of
them. Which tokens and cells a program takes is worked out on the host (`attention_plan`).

Every product that is added to something is an explicit fma: the compiler has no choice of its own to make, so the
loops with and without a mask, and the merge kernel, round alike.
"""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

from .attention_item import ITEM_LEN, ItemField
from .attention_merge import merge_state

_ITEM_LEN = tl.constexpr(ITEM_LEN)
_ROW = tl.constexpr(int(ItemField.ROW))
_FIRST_TOKEN = tl.constexpr(int(ItemField.FIRST_TOKEN))
_NUM_TOKENS = tl.constexpr(int(ItemField.NUM_TOKENS))
_FIRST_LIMIT = tl.constexpr(int(ItemField.FIRST_LIMIT))
_START = tl.constexpr(int(ItemField.START))
_STOP = tl.constexpr(int(ItemField.STOP))
_FULL_START = tl.constexpr(int(ItemField.FULL_START))
_FULL_STOP = tl.constexpr(int(ItemField.FULL_STOP))
_SLOT = tl.constexpr(int(ItemField.SLOT))
_BASE = tl.constexpr(int(ItemField.BASE))
_MASK_OFFSET = tl.constexpr(int(ItemField.MASK_OFFSET))
_MASK_LEN = tl.constexpr(int(ItemField.MASK_LEN))
_PATH_OFFSET = tl.constexpr(int(ItemField.PATH_OFFSET))
_FIRST_OWN_TOKEN = tl.constexpr(int(ItemField.FIRST_OWN_TOKEN))


@triton.jit
def _cell_slots(
    item, table, paths, first, stop, PAGE_SIZE: tl.constexpr, BLOCK_N: tl.constexpr, HAS_PATHS: tl.constexpr
):
    """Where the cells from `first` on lie in the pool: [BLOCK_N] int64."""
    lanes = tl.arange(0, BLOCK_N)
    if PAGE_SIZE >= BLOCK_N and not HAS_PATHS:
        # Tiles begin at multiples of their length, so a tile lies in one page.
        page = tl.load(table + first // PAGE_SIZE).to(tl.int64)
        slots = page * PAGE_SIZE + (first % PAGE_SIZE) + lanes
    else:
        cells = first + lanes
        is_cell = cells < stop
        if HAS_PATHS:
            path_offset = tl.load(item + _PATH_OFFSET)
            base = tl.load(item + _BASE)
            is_own = is_cell & (cells >= base) & (path_offset >= 0)
            steps = tl.load(paths + path_offset + cells - base, mask=is_own, other=0)
            cells = tl.where(is_own, base + steps, cells)
        pages = tl.load(table + cells // PAGE_SIZE, mask=is_cell, other=0).to(tl.int64)
        slots = pages * PAGE_SIZE + cells % PAGE_SIZE
    return slots


@triton.jit
def _visible(
    item,
    masks,
    positions,
    tokens,
    index,
    cells,
    stop,
    window,
    HAS_TREE: tl.constexpr,
    HAS_WINDOW: tl.constexpr,
):
    """Which cells a token sees: [BLOCK_M, BLOCK_N] bool. index: [BLOCK_M] of the token in the item."""
    limits = tl.load(item + _FIRST_LIMIT) + index
    is_visible = (cells[None, :] <= limits[:, None]) & (cells < stop)[None, :]
    if HAS_TREE:
        mask_offset = tl.load(item + _MASK_OFFSET)
        mask_len = tl.load(item + _MASK_LEN)
        base = tl.load(item + _BASE)
        is_tree = mask_offset >= 0
        is_token = index < tl.load(item + _NUM_TOKENS)
        own = cells - base
        is_own = is_tree & (own >= 0) & (cells < stop)
        words = tl.load(
            masks + mask_offset + index[:, None] * mask_len + (own >> 5)[None, :],
            mask=is_own[None, :] & is_token[:, None],
            other=0,
        )
        is_marked = ((words >> (own & 31)[None, :]) & 1) != 0
        is_seen = (is_marked | (own < 0)[None, :]) & (cells < stop)[None, :]
        is_visible = (is_seen & is_tree) | (is_visible & (mask_offset < 0))
    if HAS_WINDOW:
        own_positions = limits
        cell_positions = cells
        if HAS_TREE:
            first_own = tl.load(item + _FIRST_OWN_TOKEN)
            own_positions = tl.load(positions + tokens, mask=is_tree & is_token, other=0).to(tl.int32)
            own_positions = tl.where(is_tree, own_positions, limits)
            cell_positions = tl.load(positions + first_own + own, mask=is_own, other=0).to(tl.int32)
            cell_positions = tl.where(is_own, cell_positions, cells)
        is_visible = is_visible & (cell_positions[None, :] > own_positions[:, None] - window)
    return is_visible


@triton.jit
def _attend(
    queries,
    state_acc,
    state_max,
    state_sum,
    first,
    last,
    k_head,
    v_head,
    cell_stride,
    item,
    table,
    masks,
    positions,
    paths,
    tokens,
    index,
    stop,
    score_scale,
    soft_cap,
    window,
    HEAD_DIM: tl.constexpr,
    PADDED_DIM: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    BLOCK_N: tl.constexpr,
    IS_MASKED: tl.constexpr,
    HAS_TREE: tl.constexpr,
    HAS_PATHS: tl.constexpr,
    HAS_WINDOW: tl.constexpr,
    HAS_SOFT_CAP: tl.constexpr,
):
    """Go on with the online softmax over the cells from `first` to `last`; maxima are of unscaled scores."""
    dims = tl.arange(0, PADDED_DIM)
    for begin in range(first, last, BLOCK_N):
        begin = tl.multiple_of(begin, BLOCK_N)
        slots = _cell_slots(item, table, paths, begin, stop, PAGE_SIZE, BLOCK_N, HAS_PATHS)
        cells = begin + tl.arange(0, BLOCK_N)
        k_cells = k_head + (slots * cell_stride)[None, :] + dims[:, None]
        v_cells = v_head + (slots * cell_stride)[:, None] + dims[None, :]
        # Cells past the end are not read: memory nobody wrote may hold NaN.
        if IS_MASKED and HEAD_DIM != PADDED_DIM:
            keys = tl.load(k_cells, mask=(cells < stop)[None, :] & (dims < HEAD_DIM)[:, None], other=0.0)
            values = tl.load(v_cells, mask=(cells < stop)[:, None] & (dims < HEAD_DIM)[None, :], other=0.0)
        elif IS_MASKED:
            keys = tl.load(k_cells, mask=(cells < stop)[None, :], other=0.0)
            values = tl.load(v_cells, mask=(cells < stop)[:, None], other=0.0)
        elif HEAD_DIM != PADDED_DIM:
            keys = tl.load(k_cells, mask=(dims < HEAD_DIM)[:, None], other=0.0)
            values = tl.load(v_cells, mask=(dims < HEAD_DIM)[None, :], other=0.0)
        else:
            keys = tl.load(k_cells)
            values = tl.load(v_cells)
        keys = keys.to(queries.dtype)  # from fp8, where the cache is
        values = values.to(queries.dtype)
        scores = tl.dot(queries, keys, input_precision="ieee")  # [BLOCK_M, BLOCK_N] float32
        if HAS_SOFT_CAP:
            # tanh(x) = 1 - 2 / (exp(2 x) + 1); the scale has the 2 and the base of the exponent in it.
            scores = soft_cap * (1.0 - 2.0 / (tl.exp2(scores * score_scale) + 1.0))
        if IS_MASKED:
            is_visible = _visible(item, masks, positions, tokens, index, cells, stop, window, HAS_TREE, HAS_WINDOW)
            scores = tl.where(is_visible, scores, float("-inf"))
        new_max = tl.maximum(state_max, tl.max(scores, 1))
        if IS_MASKED:
            pivot = tl.where(new_max == float("-inf"), 0.0, new_max)
        else:
            pivot = new_max
        if HAS_SOFT_CAP:
            weights = tl.exp2(scores - pivot[:, None])
            decay = tl.exp2(state_max - pivot)
        else:
            weights = tl.exp2(tl.fma(scores, score_scale, -(pivot * score_scale)[:, None]))
            decay = tl.exp2((state_max - pivot) * score_scale)
        state_sum = tl.fma(state_sum, decay, tl.sum(weights, 1))
        state_acc = state_acc * decay[:, None]
        state_acc = tl.dot(weights.to(queries.dtype), values, state_acc, input_precision="ieee")
        state_max = new_max
    return state_acc, state_max, state_sum


@triton.jit
def _attend_range(
    queries,
    first,
    last,
    k_head,
    v_head,
    cell_stride,
    item,
    table,
    masks,
    positions,
    paths,
    tokens,
    index,
    score_scale,
    soft_cap,
    window,
    HEAD_DIM: tl.constexpr,
    PADDED_DIM: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    IS_ALWAYS_MASKED: tl.constexpr,
    HAS_TREE: tl.constexpr,
    HAS_PATHS: tl.constexpr,
    HAS_WINDOW: tl.constexpr,
    HAS_SOFT_CAP: tl.constexpr,
):
    """Attention over the cells from `first` to `last`: the result and its log2-sum-exp2 (-inf: no cell is seen)."""
    acc = tl.zeros([BLOCK_M, PADDED_DIM], tl.float32)
    maximum = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    full_first = first
    full_last = first
    if not IS_ALWAYS_MASKED:
        full_last = tl.minimum(tl.load(item + _FULL_STOP), last) // BLOCK_N * BLOCK_N
        if HAS_WINDOW:
            full_first = tl.cdiv(tl.maximum(tl.load(item + _FULL_START), first), BLOCK_N) * BLOCK_N
            full_first = tl.minimum(full_first, last)
            acc, maximum, total = _attend(
                queries, acc, maximum, total, first, full_first, k_head, v_head, cell_stride, item, table, masks,
                positions, paths, tokens, index, last, score_scale, soft_cap, window, HEAD_DIM, PADDED_DIM, PAGE_SIZE,
                BLOCK_N, True, HAS_TREE, HAS_PATHS, HAS_WINDOW, HAS_SOFT_CAP,
            )  # fmt: skip
        full_last = tl.maximum(full_last, full_first)
        acc, maximum, total = _attend(
            queries, acc, maximum, total, full_first, full_last, k_head, v_head, cell_stride, item, table, masks,
            positions, paths, tokens, index, last, score_scale, soft_cap, window, HEAD_DIM, PADDED_DIM, PAGE_SIZE,
            BLOCK_N, False, HAS_TREE, HAS_PATHS, HAS_WINDOW, HAS_SOFT_CAP,
        )  # fmt: skip
    acc, maximum, total = _attend(
        queries, acc, maximum, total, full_last, last, k_head, v_head, cell_stride, item, table, masks,
        positions, paths, tokens, index, last, score_scale, soft_cap, window, HEAD_DIM, PADDED_DIM, PAGE_SIZE,
        BLOCK_N, True, HAS_TREE, HAS_PATHS, HAS_WINDOW, HAS_SOFT_CAP,
    )  # fmt: skip
    has_seen = total > 0.0
    divisor = tl.where(has_seen, total, 1.0)
    if HAS_SOFT_CAP:
        log_sum = maximum + tl.log2(divisor)
    else:
        log_sum = tl.fma(maximum, score_scale, tl.log2(divisor))
    return acc / divisor[:, None], tl.where(has_seen, log_sum, float("-inf"))


@triton.jit(do_not_specialize=["table_stride", "window"])
def paged_attention_kernel(
    q,  # [num_tokens, num_heads, HEAD_DIM]
    k_cache,  # [num_pages, PAGE_SIZE, num_kv_heads, HEAD_DIM]
    v_cache,
    out,  # [num_tokens, num_heads, HEAD_DIM]
    partial_out,  # [num_slots, num_heads, HEAD_DIM] float32
    partial_log_sum,  # [num_slots, num_heads] float32, base 2
    sinks,  # [num_heads] float32: logits that take weight and give no value
    items,  # [num_items, ITEM_LEN] int32
    page_table,  # [num_rows, table_stride] int32
    token_list,  # int32 tokens of the batch
    masks,  # int32 words of 32 bits
    positions,  # [num_tokens] int64
    paths,  # int32 offsets of a token's ancestors from BASE
    num_kv_heads,
    q_stride,  # elements from a token to the next
    table_stride,
    score_scale,
    soft_cap,
    v_scale,
    window,
    GROUP: tl.constexpr,  # query heads of a key head
    HEAD_DIM: tl.constexpr,
    PADDED_DIM: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    SPLIT_LEN: tl.constexpr,  # cells; 0: an item is one run of the softmax, else it restarts at multiples of it
    IS_ALWAYS_MASKED: tl.constexpr,
    HAS_TOKEN_LIST: tl.constexpr,
    HAS_TREE: tl.constexpr,
    HAS_PATHS: tl.constexpr,
    HAS_WINDOW: tl.constexpr,
    HAS_SOFT_CAP: tl.constexpr,
    HAS_SINKS: tl.constexpr,
):
    """Grid: num_items * num_kv_heads; the key heads of an item are neighbours, as they are in memory."""
    item = items + (tl.program_id(0) // num_kv_heads) * _ITEM_LEN
    kv_head = tl.program_id(0) % num_kv_heads
    num_tokens = tl.load(item + _NUM_TOKENS)
    if num_tokens == 0:
        return
    rows = tl.arange(0, BLOCK_M)
    dims = tl.arange(0, PADDED_DIM)
    index = rows // GROUP
    heads = kv_head * GROUP + rows % GROUP
    is_query = index < num_tokens
    tokens = tl.load(item + _FIRST_TOKEN) + index
    if HAS_TOKEN_LIST:
        tokens = tl.load(token_list + tokens, mask=is_query, other=0)
    is_element = is_query[:, None] & (dims < HEAD_DIM)[None, :]
    q_elements = q + tokens.to(tl.int64)[:, None] * q_stride + heads[:, None] * HEAD_DIM + dims[None, :]
    queries = tl.load(q_elements, mask=is_element, other=0.0)
    table = page_table + tl.load(item + _ROW).to(tl.int64) * table_stride
    k_head = k_cache + kv_head * HEAD_DIM
    v_head = v_cache + kv_head * HEAD_DIM
    cell_stride = num_kv_heads * HEAD_DIM
    start = tl.load(item + _START)
    stop = tl.load(item + _STOP)
    if SPLIT_LEN == 0:
        acc, log_sum = _attend_range(
            queries, start, stop, k_head, v_head, cell_stride, item, table, masks, positions, paths, tokens, index,
            score_scale, soft_cap, window, HEAD_DIM, PADDED_DIM, PAGE_SIZE, BLOCK_M, BLOCK_N, IS_ALWAYS_MASKED,
            HAS_TREE, HAS_PATHS, HAS_WINDOW, HAS_SOFT_CAP,
        )  # fmt: skip
    else:
        log_sum = tl.full([BLOCK_M], float("-inf"), tl.float32)
        total = tl.zeros([BLOCK_M], tl.float32)
        acc = tl.zeros([BLOCK_M, PADDED_DIM], tl.float32)
        for split in range(start // SPLIT_LEN, tl.cdiv(stop, SPLIT_LEN)):
            part, part_log_sum = _attend_range(
                queries, tl.maximum(split * SPLIT_LEN, start), tl.minimum((split + 1) * SPLIT_LEN, stop), k_head,
                v_head, cell_stride, item, table, masks, positions, paths, tokens, index, score_scale, soft_cap,
                window, HEAD_DIM, PADDED_DIM, PAGE_SIZE, BLOCK_M, BLOCK_N, IS_ALWAYS_MASKED, HAS_TREE, HAS_PATHS,
                HAS_WINDOW, HAS_SOFT_CAP,
            )  # fmt: skip
            acc, log_sum, total = merge_state(acc, log_sum, total, part, part_log_sum)
        # Of a single split the sum is 1 and this changes nothing.
        divisor = tl.where(total > 0.0, total, 1.0)
        if not HAS_SINKS:
            acc = acc / divisor[:, None]
        else:
            is_part = tl.load(item + _SLOT) >= 0
            pivot = tl.where(total > 0.0, log_sum, 0.0)
            logits = tl.load(sinks + heads, mask=is_query, other=0.0) * 1.4426950408889634
            acc = acc / tl.where(is_part, divisor, divisor + tl.exp2(logits - pivot))[:, None]
    slot = tl.load(item + _SLOT)
    if slot >= 0:
        places = (slot + index).to(tl.int64) * (num_kv_heads * GROUP) + heads
        tl.store(partial_out + places[:, None] * HEAD_DIM + dims[None, :], acc, mask=is_element)
        tl.store(partial_log_sum + places, log_sum, mask=is_query)
    else:
        if HAS_SINKS and SPLIT_LEN == 0:
            logits = tl.load(sinks + heads, mask=is_query, other=0.0) * 1.4426950408889634
            pivot = tl.where(log_sum == float("-inf"), 0.0, log_sum)
            acc = acc / (1.0 + tl.exp2(logits - pivot))[:, None]
        out_elements = out + (tokens.to(tl.int64)[:, None] * (num_kv_heads * GROUP) + heads[:, None]) * HEAD_DIM
        tl.store(out_elements + dims[None, :], (acc * v_scale).to(out.dtype.element_ty), mask=is_element)

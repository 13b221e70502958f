/* Attention over the pages: softmax(scale q k^T) v, one key head of one row at a time.

   A query and a head are a pair; the pairs of a key head are taken some at a time, so that keys and values are read
   once for them. Scores of all cells first, then the weights, then the weighted sum of the values: each in the order of
   the cells, counted from the beginning of the text, so that a pair's result depends on nothing but its own cells, in
   prefill and in decoding alike. */

#include "vector.h"

enum {
    ITEM = 16,     /* pairs that a thread takes at a time */
    PAIRS = 4,     /* pairs whose sums of values are in registers at the same time, */
    CHUNK = 4,     /* for so many vectors of a value */
    CELLS = LANES, /* cells scored together */
    STRETCH = 64   /* cells whose values are added before the next pairs' turn */
};

struct palmette_rows {
    int64_t num_rows;
    const int64_t *numbers;    /* [num_rows, 3]: first token, query_len, kv_len of a row */
    const int64_t *page_table; /* [num_rows, table_stride] */
    int64_t table_stride, page_size;
    int64_t window;             /* 0: none */
    const uint8_t *const *masks; /* [num_rows] of [query_len, query_len], or NULL; NULL: no row has one */
};

struct attention_call {
    const struct palmette_rows *rows;
    const void *q, *k_cache, *v_cache;
    void *out;
    int64_t type, num_heads, num_kv_heads, head_dim;
    float scale;
    int64_t next_item, num_failed;
};

struct span { /* of a pair: where its cells are */
    int64_t query, head, first, end;
};

/* Sums of each of CELLS vectors, in order. */
INLINE floats sums_of(const floats *v) {
#if LANES == 16
    __m512 halves_of[8], quarters[4];
    /* Vector i in block i / 4 of quarter i % 4, so that the last two steps leave them in order. */
    UNROLL for (int j = 0; j < 4; j++) UNROLL for (int i = 0; i < 2; i++) {
        __m512 a = v[j + 8 * i], b = v[j + 8 * i + 4];
        halves_of[2 * j + i] = _mm512_shuffle_f32x4(a, b, 0x44) + _mm512_shuffle_f32x4(a, b, 0xee);
    }
    UNROLL for (int j = 0; j < 4; j++) {
        __m512 a = halves_of[2 * j], b = halves_of[2 * j + 1];
        quarters[j] = _mm512_shuffle_f32x4(a, b, 0x88) + _mm512_shuffle_f32x4(a, b, 0xdd);
    }
    __m512 low = _mm512_unpacklo_ps(quarters[0], quarters[1]) + _mm512_unpackhi_ps(quarters[0], quarters[1]);
    __m512 high = _mm512_unpacklo_ps(quarters[2], quarters[3]) + _mm512_unpackhi_ps(quarters[2], quarters[3]);
    return _mm512_shuffle_ps(low, high, 0x44) + _mm512_shuffle_ps(low, high, 0xee);
#elif LANES == 8
    __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
    return _mm256_permute2f128_ps(a, b, 0x20) + _mm256_permute2f128_ps(a, b, 0x31);
#else
    floats sums = {0};
    for (int i = 0; i < LANES; i++) sums[i] = sum_of(v[i]);
    return sums;
#endif
}

/* Where cell `cell` of a row begins in a cache, in elements. */
INLINE int64_t place_of(const struct attention_call *call, int64_t row, int64_t cell) {
    const struct palmette_rows *rows = call->rows;
    int64_t page = rows->page_table[row * rows->table_stride + cell / rows->page_size];
    return (page * rows->page_size + cell % rows->page_size) * call->num_kv_heads * call->head_dim;
}

/* Scores of the cells from `first`, a multiple of CELLS, to before `end`, for `num_pairs` pairs. */
INLINE void score_cells(
    const struct attention_call *call, int type, int64_t row, int64_t kv_head, const char *queries, int num_pairs,
    int64_t first, int64_t end, float *scores, int64_t stride
) {
    int64_t head_dim = call->head_dim;
    const char *keys[CELLS];
    int element = type == BFLOAT16 ? 2 : 4;
    int64_t page_end = 0, step = call->num_kv_heads * head_dim * element;
    const char *next = NULL;
    for (int64_t cell = first; cell < end; cell += CELLS) {
        for (int i = 0; i < CELLS; i++) {
            if (cell + i < end) {
                if (cell + i >= page_end) {
                    page_end = ((cell + i) / call->rows->page_size + 1) * call->rows->page_size;
                    next = (const char *)call->k_cache + (place_of(call, row, cell + i) + kv_head * head_dim) * element;
                }
                keys[i] = next;
                next += step;
            } else {
                keys[i] = keys[i - 1]; /* the last cell again, whose score is not read */
            }
        }
        for (int pair = 0; pair < num_pairs; pair++) {
            const char *query = queries + pair * head_dim * element;
            floats sums[CELLS];
            UNROLL for (int i = 0; i < CELLS; i++) sums[i] = (floats){0};
#if defined(__AVX512BF16__)
            if (type == BFLOAT16 && head_dim % (2 * LANES) == 0) {
                for (int64_t d = 0; d < head_dim * 2; d += 64) {
                    __m512bh q = (__m512bh)_mm512_loadu_si512(query + d);
                    UNROLL for (int i = 0; i < CELLS; i++)
                        sums[i] = _mm512_dpbf16_ps(sums[i], q, (__m512bh)_mm512_loadu_si512(keys[i] + d));
                }
            } else
#endif
                for (int64_t d = 0; d < head_dim; d += LANES) {
                    floats q = load_as_floats(query, d, type);
                    UNROLL for (int i = 0; i < CELLS; i++)
                        sums[i] = multiply_add(q, load_as_floats(keys[i], d, type), sums[i]);
                }
            store_floats(scores + pair * stride + cell, sums_of(sums) * call->scale);
        }
    }
}

/* Scores of the cells from `start`, a multiple of LANES, on become weights; those a pair does not see become 0.
   Returns the sum of the weights, added up as if those it does not see were not there: a node of a tree has the bits
   that it has where its ancestors alone precede it. */
static float weigh(float *scores, int64_t start, const struct span *span, const uint8_t *mask, int64_t base) {
    int64_t padded = (span->end + LANES - 1) / LANES * LANES;
    for (int64_t cell = start; cell < span->first; cell++) scores[cell] = -INFINITY;
    for (int64_t cell = span->end; cell < padded; cell++) scores[cell] = -INFINITY;
    for (int64_t cell = base; mask && cell < span->end; cell++)
        if (!mask[cell - base]) scores[cell] = -INFINITY;
    floats largest = spread(-INFINITY), sum = {0};
    for (int64_t cell = start; cell < padded; cell += LANES) largest = maximum(largest, load_floats(scores + cell));
    floats best = spread(maximum_of(largest));
    for (int64_t cell = start; cell < padded; cell += LANES) {
        floats x = load_floats(scores + cell) - best;
        /* What is far behind weighs nothing. NaN is not behind: it stays, and is seen in the result. */
        words is_near = ~(words)(x < spread(-87.0f));
        floats weight = (floats)(is_near & (words)exponential(x));
        if (!mask || cell + LANES <= base) sum += weight;
        store_floats(scores + cell, weight);
    }
    float seen[LANES];
    int num_seen = 0;
    for (int64_t cell = base / LANES * LANES; mask && cell < span->end; cell++) {
        if (cell >= base && !mask[cell - base]) continue;
        seen[num_seen++] = scores[cell];
        if (num_seen < LANES) continue;
        sum += load_floats(seen);
        num_seen = 0;
    }
    if (num_seen) {
        while (num_seen < LANES) seen[num_seen++] = 0;
        sum += load_floats(seen);
    }
    return sum_of(sum);
}

/* out[pair] += weights[pair] v, for a few vectors of the values from channel `d` on. */
INLINE void add_values(
    const struct attention_call *call, int type, int64_t row, int64_t kv_head, const int num_pairs, const int num_vectors,
    int64_t first, int64_t end, const float *weights, int64_t stride, int64_t d, float *out
) {
    int64_t head_dim = call->head_dim, page_size = call->rows->page_size, step = call->num_kv_heads * head_dim;
    int element = type == BFLOAT16 ? 2 : 4;
    floats sums[PAIRS * CHUNK];
    UNROLL for (int pair = 0; pair < num_pairs; pair++)
        UNROLL for (int v = 0; v < num_vectors; v++)
            sums[pair * num_vectors + v] = load_floats(out + pair * head_dim + d + v * LANES);
    for (int64_t cell = first; cell < end;) {
        int64_t page_end = (cell / page_size + 1) * page_size;
        if (page_end > end) page_end = end;
        const char *value = (const char *)call->v_cache + (place_of(call, row, cell) + kv_head * head_dim + d) * element;
        for (; cell < page_end; cell++, value += step * element) {
            floats values[CHUNK];
            UNROLL for (int v = 0; v < num_vectors; v++) values[v] = load_as_floats(value, v * LANES, type);
            UNROLL for (int pair = 0; pair < num_pairs; pair++) {
                floats weight = spread(weights[pair * stride + cell]);
                UNROLL for (int v = 0; v < num_vectors; v++)
                    sums[pair * num_vectors + v] = multiply_add(weight, values[v], sums[pair * num_vectors + v]);
            }
        }
    }
    UNROLL for (int pair = 0; pair < num_pairs; pair++)
        UNROLL for (int v = 0; v < num_vectors; v++)
            store_floats(out + pair * head_dim + d + v * LANES, sums[pair * num_vectors + v]);
}

INLINE void attend_pairs(
    struct attention_call *call, int type, int64_t row, int64_t kv_head, int64_t pair_first, int num_pairs
) {
    const struct palmette_rows *rows = call->rows;
    const int64_t *numbers = rows->numbers + 3 * row;
    int64_t token = numbers[0], query_len = numbers[1], kv_len = numbers[2], base = kv_len - query_len;
    int64_t group = call->num_heads / call->num_kv_heads, head_dim = call->head_dim;
    const uint8_t *mask = rows->masks ? rows->masks[row] : NULL;
    struct span spans[ITEM];
    int64_t start = kv_len, end = 0;
    for (int i = 0; i < num_pairs; i++) {
        int64_t query = (pair_first + i) / group;
        int64_t last = base + query;
        spans[i].query = query;
        spans[i].head = kv_head * group + (pair_first + i) % group;
        spans[i].end = last + 1;
        spans[i].first = rows->window && last + 1 > rows->window ? last + 1 - rows->window : 0;
        if (spans[i].first < start) start = spans[i].first;
        if (spans[i].end > end) end = spans[i].end;
    }
    start = start / LANES * LANES;
    int64_t stride = (end + LANES - 1) / LANES * LANES;
    float *memory = palmette_scratch(SCRATCH_ATTENTION, ITEM * (stride + 2 * head_dim) * 4);
    if (!memory) {
        __atomic_fetch_add(&call->num_failed, 1, __ATOMIC_RELAXED);
        return;
    }
    float *out = memory + ITEM * stride;
    char *queries = (char *)(out + ITEM * head_dim);
    int64_t bytes = head_dim * (type == BFLOAT16 ? 2 : 4);
    for (int i = 0; i < num_pairs; i++) {
        int64_t from = (token + spans[i].query) * call->num_heads + spans[i].head;
        memcpy(queries + i * bytes, (const char *)call->q + from * bytes, (size_t)bytes);
    }
    score_cells(call, type, row, kv_head, queries, num_pairs, start, end, memory, stride);
    float sums[ITEM];
    for (int i = 0; i < num_pairs; i++) {
        sums[i] = weigh(memory + i * stride, start, &spans[i], mask ? mask + spans[i].query * query_len : NULL, base);
        for (int64_t cell = (spans[i].end + LANES - 1) / LANES * LANES; cell < end; cell++) memory[i * stride + cell] = 0;
    }
    memset(out, 0, (size_t)(num_pairs * head_dim * 4));
    for (int64_t first = start; first < end; first += STRETCH)
        for (int pair = 0; pair < num_pairs; pair += PAIRS)
            for (int64_t d = 0; d < head_dim; d += CHUNK * LANES) {
                int count = num_pairs - pair < PAIRS ? num_pairs - pair : PAIRS;
                int num_vectors = (int)((head_dim - d) / LANES < CHUNK ? (head_dim - d) / LANES : CHUNK);
                int64_t last = first + STRETCH < end ? first + STRETCH : end;
                const float *weights = memory + pair * stride;
#define CASE(COUNT, VECTORS)                                                                                            \
    if (count == COUNT && num_vectors == VECTORS)                                                                       \
        add_values(call, type, row, kv_head, COUNT, VECTORS, first, last, weights, stride, d, out + pair * head_dim);
                CASE(1, 4) CASE(2, 4) CASE(3, 4) CASE(4, 4)
                CASE(1, 3) CASE(2, 3) CASE(3, 3) CASE(4, 3)
                CASE(1, 2) CASE(2, 2) CASE(3, 2) CASE(4, 2)
                CASE(1, 1) CASE(2, 1) CASE(3, 1) CASE(4, 1)
#undef CASE
            }
    for (int i = 0; i < num_pairs; i++) {
        int64_t to = ((token + spans[i].query) * call->num_heads + spans[i].head) * head_dim;
        for (int64_t d = 0; d < head_dim; d += LANES)
            store_as(call->out, to + d, type, load_floats(out + i * head_dim + d) / sums[i]);
    }
}

static void attend_item(struct attention_call *call, int64_t row, int64_t kv_head, int64_t batch) {
    int64_t num_pairs = call->rows->numbers[3 * row + 1] * (call->num_heads / call->num_kv_heads);
    int64_t first = batch * ITEM;
    int count = (int)(num_pairs - first < ITEM ? num_pairs - first : ITEM);
    if (call->type == BFLOAT16)
        attend_pairs(call, BFLOAT16, row, kv_head, first, count);
    else
        attend_pairs(call, FLOAT32, row, kv_head, first, count);
}

static void attend(void *job) {
    struct attention_call *call = job;
    int64_t group = call->num_heads / call->num_kv_heads;
    int64_t item = next_piece(&call->next_item), first = 0;
    for (int64_t row = 0; row < call->rows->num_rows; row++) {
        int64_t num_batches = (call->rows->numbers[3 * row + 1] * group + ITEM - 1) / ITEM;
        int64_t num_items = num_batches * call->num_kv_heads;
        while (item < first + num_items) {
            attend_item(call, row, (item - first) / num_batches, (item - first) % num_batches);
            item = next_piece(&call->next_item);
        }
        first += num_items;
    }
}

/* q, out: [num_tokens, num_heads, head_dim]; k_cache, v_cache: [num_pages, page_size, num_kv_heads, head_dim]; all of
   `type`, contiguous; head_dim is a multiple of LANES. Only the rows' tokens are written. Returns 0, or 1 where there
   is no memory. */
int palmette_attention(
    const struct palmette_rows *rows, const void *q, const void *k_cache, const void *v_cache, void *out, int64_t type,
    int64_t num_heads, int64_t num_kv_heads, int64_t head_dim, float scale, int64_t num_threads
) {
    struct attention_call call = {
        .rows = rows, .q = q, .k_cache = k_cache, .v_cache = v_cache, .out = out, .type = type, .num_heads = num_heads,
        .num_kv_heads = num_kv_heads, .head_dim = head_dim, .scale = scale,
    };
    int64_t work = 0, num_items = 0, group = num_heads / num_kv_heads;
    for (int64_t row = 0; row < rows->num_rows; row++) {
        const int64_t *numbers = rows->numbers + 3 * row;
        work += numbers[1] * numbers[2] * num_heads * head_dim;
        num_items += (numbers[1] * group + ITEM - 1) / ITEM * num_kv_heads;
    }
    palmette_share(attend, &call, num_items, work < 1 << 17 ? 1 : num_threads);
    return call.num_failed != 0;
}

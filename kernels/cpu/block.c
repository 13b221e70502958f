/* What a decoder block does besides attention, in two calls: all before it, and all after it. */

#include "linear.h"

enum { TOKENS = 8 }; /* that a thread takes at a time */

struct palmette_block {
    const struct palmette_linear *qkv, *output, *gate_up, *down;
    const float *attention_norm, *mlp_norm; /* [hidden_size] */
    const float *qk_norm;                   /* [num_heads + num_kv_heads, head_dim], or NULL */
    int64_t num_heads, num_kv_heads, head_dim;
    double eps;
};

/* x / sqrt(mean(x^2) + eps) * weight, of one vector; the sum of squares is taken lane by lane. */
INLINE void norm_one(const void *x, int64_t from, int type, const float *weight, int64_t size, float eps, void *out, int64_t to) {
    floats squares = {0};
    int64_t whole = size / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES) {
        floats value = load_as_floats(x, from + i, type);
        squares = multiply_add(value, value, squares);
    }
    float sum = sum_of(squares);
    for (int64_t i = whole; i < size; i++) {
        float value = load_as_float(x, from + i, type);
        sum += value * value;
    }
    float scale = 1.0f / sqrtf(sum / (float)size + eps);
    for (int64_t i = 0; i < whole; i += LANES)
        store_as(out, to + i, type, load_as_floats(x, from + i, type) * scale * load_floats(weight + i));
    for (int64_t i = whole; i < size; i++)
        store_one_as(out, to + i, type, load_as_float(x, from + i, type) * scale * weight[i]);
}

struct token_call { /* work on single tokens */
    void (*work)(const struct token_call *, int64_t token);
    int64_t num_tokens, next;
    const struct palmette_block *block;
    int type;
    int64_t size;        /* of x */
    const float *weight; /* of a norm */
    float eps;
    const void *x;
    void *out;
    const float *turns;
    const int64_t *slots;
    void *k_cache, *v_cache;
};

static void take_tokens(void *job) {
    struct token_call *call = job;
    for (int64_t piece; (piece = next_piece(&call->next)) * TOKENS < call->num_tokens;) {
        int64_t end = (piece + 1) * TOKENS < call->num_tokens ? (piece + 1) * TOKENS : call->num_tokens;
        for (int64_t token = piece * TOKENS; token < end; token++) call->work(call, token);
    }
}

static void share_tokens(struct token_call call, int64_t num_threads) {
    palmette_share(take_tokens, &call, (call.num_tokens + TOKENS - 1) / TOKENS, num_threads);
}

static void norm_token(const struct token_call *call, int64_t token) {
    int64_t at = token * call->size;
    if (call->type == BFLOAT16)
        norm_one(call->x, at, BFLOAT16, call->weight, call->size, call->eps, call->out, at);
    else
        norm_one(call->x, at, FLOAT32, call->weight, call->size, call->eps, call->out, at);
}

/* Queries, keys and values of a token: norms, rotary turns, and to their places. */
INLINE void place_heads(const struct token_call *call, int64_t token, int type) {
    const struct palmette_block *block = call->block;
    int64_t head_dim = block->head_dim, num_rotated = block->num_heads + block->num_kv_heads;
    int64_t from = token * (num_rotated + block->num_kv_heads) * head_dim;
    int64_t cell = call->slots[token] * block->num_kv_heads * head_dim;
    const float *turns = call->turns + token * head_dim;
    for (int64_t head = 0; head < num_rotated; head++, from += head_dim) {
        int is_query = head < block->num_heads;
        void *to = is_query ? call->out : call->k_cache;
        int64_t at = is_query ? (token * block->num_heads + head) * head_dim : cell + (head - block->num_heads) * head_dim;
        const void *source = call->x;
        int64_t source_at = from;
        if (block->qk_norm) {
            norm_one(source, source_at, type, block->qk_norm + head * head_dim, head_dim, (float)block->eps, to, at);
            source = to;
            source_at = at;
        }
        for (int64_t i = 0; i < head_dim; i += 2) {
            float x = load_as_float(source, source_at + i, type), y = load_as_float(source, source_at + i + 1, type);
            store_one_as(to, at + i, type, x * turns[i] - y * turns[i + 1]);
            store_one_as(to, at + i + 1, type, x * turns[i + 1] + y * turns[i]);
        }
    }
    int64_t bytes = type == BFLOAT16 ? 2 : 4;
    memcpy((char *)call->v_cache + cell * bytes, (const char *)call->x + from * bytes,
           (size_t)(block->num_kv_heads * head_dim * bytes));
}

static void place_token(const struct token_call *call, int64_t token) {
    if (call->type == BFLOAT16)
        place_heads(call, token, BFLOAT16);
    else
        place_heads(call, token, FLOAT32);
}

/* silu(gate) * up, from [gate, up] of `size` each. */
INLINE void gate_one(const void *x, int64_t from, int type, int64_t size, void *out, int64_t to) {
    int64_t whole = size / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES) {
        floats gate = load_as_floats(x, from + i, type), up = load_as_floats(x, from + size + i, type);
        floats weight = 1.0f / (exponential(-maximum(spread(-88.0f), gate)) + 1.0f);
        store_as(out, to + i, type, gate * weight * up);
    }
    for (int64_t i = whole; i < size; i++) {
        float gate = load_as_float(x, from + i, type), up = load_as_float(x, from + size + i, type);
        store_one_as(out, to + i, type, gate / (1.0f + expf(-gate)) * up);
    }
}

static void gate_token(const struct token_call *call, int64_t token) {
    if (call->type == BFLOAT16)
        gate_one(call->x, token * 2 * call->size, BFLOAT16, call->size, call->out, token * call->size);
    else
        gate_one(call->x, token * 2 * call->size, FLOAT32, call->size, call->out, token * call->size);
}

/* x: [num_tokens, size] of `type`; weight: [size]. */
void palmette_rms_norm(
    const void *x, int64_t type, const float *weight, int64_t size, double eps, int64_t num_tokens, void *out,
    int64_t num_threads
) {
    share_tokens((struct token_call){.work = norm_token, .num_tokens = num_tokens, .type = (int)type, .size = size,
                                     .weight = weight, .eps = (float)eps, .x = x, .out = out}, num_threads);
}

/* Keys and values of the tokens into their cells, queries into q: [num_tokens, num_heads, head_dim].

   hidden: [num_tokens, hidden_size]; turns: [num_tokens, head_dim / 2] of (cosine, sine); slots: [num_tokens]. */
int palmette_before_attention(
    const struct palmette_block *block, const void *hidden, int64_t type, int64_t num_tokens, const float *turns,
    const int64_t *slots, void *k_cache, void *v_cache, void *q, int64_t num_threads
) {
    int64_t hidden_size = block->qkv->in_size, width = block->qkv->out_size, bytes = type == BFLOAT16 ? 2 : 4;
    char *memory = palmette_scratch(SCRATCH_BLOCK, num_tokens * (hidden_size + width) * bytes);
    if (!memory) return 1;
    char *heads = memory + num_tokens * hidden_size * bytes;
    palmette_rms_norm(hidden, type, block->attention_norm, hidden_size, block->eps, num_tokens, memory, num_threads);
    if (palmette_linear(block->qkv, memory, type, hidden_size, num_tokens, NULL, heads, type, num_threads)) return 1;
    share_tokens((struct token_call){.work = place_token, .num_tokens = num_tokens, .block = block, .type = (int)type,
                                     .x = heads, .out = q, .turns = turns, .slots = slots, .k_cache = k_cache,
                                     .v_cache = v_cache}, num_threads);
    return 0;
}

/* out = h + feed-forward(norm(h)) with h = hidden + output(attended); attended: [num_tokens, num_heads * head_dim]. */
int palmette_after_attention(
    const struct palmette_block *block, const void *hidden, const void *attended, int64_t type, int64_t num_tokens,
    void *out, int64_t num_threads
) {
    int64_t hidden_size = block->output->out_size, size = block->down->in_size, bytes = type == BFLOAT16 ? 2 : 4;
    char *memory = palmette_scratch(SCRATCH_BLOCK, num_tokens * (hidden_size + 3 * size) * bytes);
    if (!memory) return 1;
    char *gates = memory + num_tokens * hidden_size * bytes, *gated = gates + num_tokens * 2 * size * bytes;
    if (palmette_linear(block->output, attended, type, block->output->in_size, num_tokens, hidden, out, type, num_threads))
        return 1;
    palmette_rms_norm(out, type, block->mlp_norm, hidden_size, block->eps, num_tokens, memory, num_threads);
    if (palmette_linear(block->gate_up, memory, type, hidden_size, num_tokens, NULL, gates, type, num_threads)) return 1;
    share_tokens((struct token_call){.work = gate_token, .num_tokens = num_tokens, .type = (int)type, .size = size,
                                     .x = gates, .out = gated}, num_threads);
    return palmette_linear(block->down, gated, type, size, num_tokens, out, out, type, num_threads);
}

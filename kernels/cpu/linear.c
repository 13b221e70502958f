/* y = x W^T (+ bias) (+ residual): products of a few rows, or many, with weights that are packed for it.

   Weights lie in panels of 32 outputs. Of a panel, step after step: the weights of the 32 outputs for the next input
   (float32), or for the next pair of inputs, output by output (bfloat16, int8). So one instruction takes 16 outputs on,
   for one row, by one step; no sum is ever split, and each output of each row is added up in the order of the inputs,
   however many rows and threads there are.

   int8: inputs are rounded to 16-bit integers in blocks of 256 with a scale for each block; products are added exactly
   in 32 bits (256 * 127 * 32767 < 2^31), and block sums in float32. The same integers on every processor.

   The inputs of a call are packed first: tiles of up to 12 rows, in each step by step the rows' values, 4 bytes each. */

#include "linear.h"

#include <float.h>

enum {
    PANEL = 32,
    PARTS = PANEL / LANES, /* vectors of a panel */
    BLOCK = 256,           /* inputs of a block of int8 products */
    UNIT = 4,              /* panels that a thread takes at a time */
#if LANES == 16
    MAX_ROWS = 12,
#elif LANES == 8
    MAX_ROWS = 3,
#else
    MAX_ROWS = 1,
#endif
    MAX_ACCUMULATORS = 24
};

enum form { FORM_FLOAT32, FORM_EXPANDED, FORM_BFLOAT16, FORM_INT8 };

struct tile {
    int64_t first_row;
    int num_rows;   /* real ones */
    int height;     /* as computed: past the real rows there are zeros */
    char *inputs;   /* [num_steps (of 4 bytes), height] */
    float *scales;  /* int8: [num_blocks, height] */
};

struct linear_call {
    const struct palmette_linear *linear;
    const void *x;
    int64_t x_type, x_stride, num_rows;
    const void *residual;
    void *out;
    int64_t out_type;
    enum form form;
    int64_t num_tiles, num_panels, tile_bytes, scale_bytes;
    char *memory;
    int64_t next_tile, next_unit;
};

static const int HEIGHTS[] = {
#if LANES == 16
    1, 2, 4, 8, 12
#elif LANES == 8
    1, 2, 3
#else
    1
#endif
};

INLINE floats even_of(words pair) { return (floats)(pair << 16); }
INLINE floats odd_of(words pair) { return (floats)(pair & 0xffff0000u); }

INLINE ints load_int8_pairs(const int8_t *from) { /* LANES pairs, as 16-bit integers */
#if defined(__AVX512BW__)
    return (ints)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)from));
#elif defined(__AVX2__)
    return (ints)_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)from));
#else
    typedef int8_t bytes __attribute__((vector_size(2 * LANES)));
    typedef int16_t shorts __attribute__((vector_size(4 * LANES)));
    bytes value;
    memcpy(&value, from, sizeof value);
    return (ints)__builtin_convertvector(value, shorts);
#endif
}

/* sum + a.low * b.low + a.high * b.high, in each lane. */
INLINE ints add_pair_products(ints sum, ints a, ints b) {
#if defined(__AVX512VNNI__)
    return (ints)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX512BW__)
    return sum + (ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sum + (ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return sum + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

INLINE words spread_word(const char *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word - (words){0};
}

/* `height` rows by `num_vectors` vectors of outputs. `weights` is the first panel, the next one is `panel_bytes` on. */
INLINE void multiply(
    const enum form form, const int height, const int num_vectors, const struct tile *tile, const char *weights,
    int64_t panel_bytes, int64_t num_steps, floats *out
) {
    const int step_bytes = PANEL * (form == FORM_INT8 ? 2 : 4);
    const int vector_bytes = step_bytes / PARTS;
    const char *inputs = tile->inputs;
    floats sums[MAX_ACCUMULATORS];
    UNROLL for (int i = 0; i < height * num_vectors; i++) sums[i] = (floats){0};
    if (form == FORM_INT8) {
        int64_t block = 0;
        for (int64_t first = 0; first < num_steps; first += BLOCK / 2, block++) {
            int64_t end = first + BLOCK / 2 < num_steps ? first + BLOCK / 2 : num_steps;
            ints products[MAX_ACCUMULATORS];
            UNROLL for (int i = 0; i < height * num_vectors; i++) products[i] = (ints){0};
            for (int64_t step = first; step < end; step++) {
                ints weight[8];
                UNROLL for (int v = 0; v < num_vectors; v++) {
                    const char *from = weights + (v / PARTS) * panel_bytes + (v % PARTS) * vector_bytes;
                    weight[v] = load_int8_pairs((const int8_t *)from + step * step_bytes);
                }
                UNROLL for (int r = 0; r < height; r++) {
                    ints input = (ints)spread_word(inputs + (step * height + r) * 4);
                    UNROLL for (int v = 0; v < num_vectors; v++)
                        products[r * num_vectors + v] = add_pair_products(products[r * num_vectors + v], input, weight[v]);
                }
            }
            UNROLL for (int r = 0; r < height; r++) {
                floats scale = spread(tile->scales[block * height + r]);
                UNROLL for (int v = 0; v < num_vectors; v++)
                    sums[r * num_vectors + v] +=
                        __builtin_convertvector(products[r * num_vectors + v], floats) * scale;
            }
        }
    } else {
        for (int64_t step = 0; step < num_steps; step++) {
            words weight[8];
            UNROLL for (int v = 0; v < num_vectors; v++) {
                const char *from = weights + (v / PARTS) * panel_bytes + (v % PARTS) * vector_bytes + step * step_bytes;
                memcpy(&weight[v], from, sizeof weight[v]);
                if (height <= 2 && (v % (64 / (4 * LANES)) == 0)) __builtin_prefetch(from + 2048);
            }
            UNROLL for (int r = 0; r < height; r++) {
                const char *from = inputs + (step * height + r) * (form == FORM_EXPANDED ? 8 : 4);
                words input = spread_word(from);
                UNROLL for (int v = 0; v < num_vectors; v++) {
                    floats *sum = &sums[r * num_vectors + v];
                    if (form == FORM_FLOAT32) *sum = multiply_add((floats)input, (floats)weight[v], *sum);
#if defined(__AVX512BF16__)
                    if (form == FORM_BFLOAT16) *sum = _mm512_dpbf16_ps(*sum, (__m512bh)input, (__m512bh)weight[v]);
#endif
                    if (form == FORM_EXPANDED) *sum = multiply_add((floats)input, even_of(weight[v]), *sum);
                }
                if (form == FORM_EXPANDED) {
                    floats second = (floats)spread_word(from + 4);
                    UNROLL for (int v = 0; v < num_vectors; v++)
                        sums[r * num_vectors + v] = multiply_add(second, odd_of(weight[v]), sums[r * num_vectors + v]);
                }
            }
        }
    }
    UNROLL for (int i = 0; i < height * num_vectors; i++) out[i] = sums[i];
}

/* Panels taken together for a tile of so many rows: as many as there are registers for sums. */
INLINE int panels_of(int height) {
#if LANES == 16
    return height <= 2 ? 4 : height <= 4 ? 2 : 1;
#elif LANES == 8
    return height == 1 ? 2 : 1;
#else
    return height;
#endif
}

static __attribute__((noinline)) void multiply_tile(
    enum form form, const struct tile *tile, int num_panels, const char *weights, int64_t panel_bytes,
    int64_t num_steps, floats *out
) {
#define CASE(FORM, HEIGHT, PANELS)                                                                   \
    if (form == FORM && tile->height == HEIGHT && num_panels == PANELS) {                             \
        multiply(FORM, HEIGHT, PANELS * PARTS, tile, weights, panel_bytes, num_steps, out);           \
        return;                                                                                       \
    }
#if LANES == 16
#define CASES(FORM)                                                                                   \
    CASE(FORM, 1, 4) CASE(FORM, 1, 1) CASE(FORM, 2, 4) CASE(FORM, 2, 1) CASE(FORM, 4, 2)              \
    CASE(FORM, 4, 1) CASE(FORM, 8, 1) CASE(FORM, 12, 1)
#elif LANES == 8
#define CASES(FORM) CASE(FORM, 1, 2) CASE(FORM, 1, 1) CASE(FORM, 2, 1) CASE(FORM, 3, 1)
#else
#define CASES(FORM) CASE(FORM, 1, 1)
#endif
    CASES(FORM_FLOAT32)
    CASES(FORM_EXPANDED)
    CASES(FORM_INT8)
#if defined(__AVX512BF16__)
    CASES(FORM_BFLOAT16)
#endif
    __builtin_unreachable();
}

/* Scale, bias and residual, and the outputs as they are wanted. */
INLINE void finish(const struct linear_call *call, const struct tile *tile, int64_t output, const floats *sums, int num_vectors) {
    const struct palmette_linear *linear = call->linear;
    for (int r = 0; r < tile->num_rows; r++) {
        int64_t row = (tile->first_row + r) * linear->out_size;
        for (int v = 0; v < num_vectors; v++) {
            int64_t first = output + v * LANES;
            floats sum = sums[r * num_vectors + v];
            if (first + LANES <= linear->out_size) {
                if (call->form == FORM_INT8) sum *= load_floats(linear->scales + first);
                if (linear->bias) sum += load_floats(linear->bias + first);
                if (call->residual) sum += load_as_floats(call->residual, row + first, (int)call->out_type);
                store_as(call->out, row + first, (int)call->out_type, sum);
                continue;
            }
            for (int64_t i = first; i < linear->out_size; i++) {
                float value = sum[i - first];
                if (call->form == FORM_INT8) value *= linear->scales[i];
                if (linear->bias) value += linear->bias[i];
                if (call->residual) value += load_as_float(call->residual, row + i, (int)call->out_type);
                store_one_as(call->out, row + i, (int)call->out_type, value);
            }
        }
    }
}

static struct tile tile_of(const struct linear_call *call, int64_t index) {
    struct tile tile;
    tile.first_row = index * MAX_ROWS;
    int64_t left = call->num_rows - tile.first_row;
    tile.num_rows = left < MAX_ROWS ? (int)left : MAX_ROWS;
    for (int i = 0;; i++)
        if (HEIGHTS[i] >= tile.num_rows) {
            tile.height = HEIGHTS[i];
            break;
        }
    tile.inputs = call->memory + index * (call->tile_bytes + call->scale_bytes);
    tile.scales = (float *)(tile.inputs + call->tile_bytes);
    return tile;
}

static void pack_int8(const struct linear_call *call, const struct tile *tile) {
    typedef int16_t shorts __attribute__((vector_size(2 * LANES)));
    int64_t in_size = call->linear->in_size;
    int height = tile->height, type = (int)call->x_type;
    for (int r = 0; r < tile->num_rows; r++) {
        int64_t row = (tile->first_row + r) * call->x_stride;
        for (int64_t first = 0, block = 0; first < in_size; first += BLOCK, block++) {
            int64_t size = in_size - first < BLOCK ? in_size - first : BLOCK, whole = size / LANES * LANES;
            float values[BLOCK];
            int16_t rounded[BLOCK];
            floats largest = {0};
            words is_wrong = {0};
            for (int64_t i = 0; i < whole; i += LANES) store_floats(values + i, load_as_floats(call->x, row + first + i, type));
            for (int64_t i = whole; i < size; i++) values[i] = load_as_float(call->x, row + first + i, type);
            int64_t padded = (size + LANES - 1) / LANES * LANES;
            for (int64_t i = size; i < padded; i++) values[i] = 0;
            for (int64_t i = 0; i < padded; i += LANES) {
                floats absolute = (floats)((words)load_floats(values + i) & 0x7fffffff);
                largest = maximum(largest, absolute);
                is_wrong |= ~(words)(absolute <= spread(FLT_MAX));
            }
            /* A block of zeros, or of what is next to nothing, has the scale 0; NaN and infinity make it NaN. */
            float most = maximum_of(largest), inverse = most < 1e-30f ? 0 : 32767.0f / most;
            float scale = most < 1e-30f ? 0 : most / 32767.0f;
            for (int i = 0; i < LANES; i++)
                if (is_wrong[i]) scale = NAN;
            tile->scales[block * height + r] = scale;
            for (int64_t i = 0; i < padded; i += LANES) {
                shorts nearest = __builtin_convertvector(nearest_ints(load_floats(values + i) * inverse), shorts);
                memcpy(rounded + i, &nearest, sizeof nearest);
            }
            char *to = tile->inputs + (first / 2 * height + r) * 4;
            if (height == 1)
                memcpy(to, rounded, (size_t)size * 2);
            else
                for (int64_t i = 0; i < size / 2; i++) memcpy(to + i * height * 4, rounded + 2 * i, 4);
        }
    }
}

static void pack_tile(const struct linear_call *call, const struct tile *tile) {
    int64_t in_size = call->linear->in_size;
    int height = tile->height;
    if (tile->num_rows < height) memset(tile->inputs, 0, (size_t)(call->tile_bytes + call->scale_bytes));
    if (call->form == FORM_INT8) {
        pack_int8(call, tile);
        return;
    }
    int is_as_given = call->form != FORM_EXPANDED || call->x_type == FLOAT32;
    if (height == 1 && is_as_given) { /* one row lies as it is wanted */
        int64_t bytes = call->x_type == BFLOAT16 ? 2 : 4;
        memcpy(tile->inputs, (const char *)call->x + tile->first_row * call->x_stride * bytes, (size_t)(in_size * bytes));
        return;
    }
    for (int r = 0; r < tile->num_rows; r++) {
        int64_t row = (tile->first_row + r) * call->x_stride;
        if (call->form == FORM_BFLOAT16) {
            const uint16_t *from = (const uint16_t *)call->x + row;
            for (int64_t step = 0; step < in_size / 2; step++)
                memcpy(tile->inputs + (step * height + r) * 4, from + 2 * step, 4);
        } else if (call->form == FORM_FLOAT32) {
            const float *from = (const float *)call->x + row;
            for (int64_t step = 0; step < in_size; step++) ((float *)tile->inputs)[step * height + r] = from[step];
        } else {
            for (int64_t i = 0; i < in_size; i += 2)
                for (int64_t j = 0; j < 2; j++)
                    ((float *)tile->inputs)[(i / 2 * height + r) * 2 + j] =
                        load_as_float(call->x, row + i + j, (int)call->x_type);
        }
    }
}

static void pack_tiles(void *job) {
    struct linear_call *call = job;
    for (int64_t index; (index = next_piece(&call->next_tile)) < call->num_tiles;) {
        struct tile tile = tile_of(call, index);
        pack_tile(call, &tile);
    }
}

static void multiply_panels(
    const struct linear_call *call, const struct tile *tile, int64_t panel, int num_panels, int64_t num_steps
) {
    int64_t panel_bytes = num_steps * PANEL * (call->form == FORM_INT8 ? 2 : 4);
    floats sums[MAX_ACCUMULATORS];
    const char *weights = (const char *)call->linear->weights + panel * panel_bytes;
    multiply_tile(call->form, tile, num_panels, weights, panel_bytes, num_steps, sums);
    finish(call, tile, panel * PANEL, sums, num_panels * PARTS);
}

static void multiply_units(void *job) {
    struct linear_call *call = job;
    int64_t num_steps = call->form == FORM_FLOAT32 ? call->linear->in_size : call->linear->in_size / 2;
    int64_t num_full = call->num_rows / MAX_ROWS;
    for (int64_t unit; (unit = next_piece(&call->next_unit)) * UNIT < call->num_panels;) {
        int64_t end = (unit + 1) * UNIT < call->num_panels ? (unit + 1) * UNIT : call->num_panels;
        /* A panel stays in the cache while all full tiles pass by. */
        for (int64_t panel = unit * UNIT; num_full && panel < end;) {
            int width = panels_of(MAX_ROWS);
            if (panel + width > end) width = 1;
            for (int64_t index = 0; index < num_full; index++) {
                struct tile tile = tile_of(call, index);
                multiply_panels(call, &tile, panel, width, num_steps);
            }
            panel += width;
        }
        if (num_full == call->num_tiles) continue;
        struct tile tile = tile_of(call, num_full);
        for (int64_t panel = unit * UNIT; panel < end;) {
            int width = panels_of(tile.height);
            if (panel + width > end) width = 1;
            multiply_panels(call, &tile, panel, width, num_steps);
            panel += width;
        }
    }
}

int palmette_linear(
    const struct palmette_linear *linear, const void *x, int64_t x_type, int64_t x_stride, int64_t num_rows,
    const void *residual, void *out, int64_t out_type, int64_t num_threads
) {
    struct linear_call call = {
        .linear = linear, .x = x, .x_type = x_type, .x_stride = x_stride, .num_rows = num_rows,
        .residual = residual, .out = out, .out_type = out_type,
    };
    call.form = linear->weight_type == INT8 ? FORM_INT8 : linear->weight_type == FLOAT32 ? FORM_FLOAT32 : FORM_EXPANDED;
#if defined(__AVX512BF16__)
    if (linear->weight_type == BFLOAT16 && x_type == BFLOAT16) call.form = FORM_BFLOAT16;
#endif
    call.num_tiles = (num_rows + MAX_ROWS - 1) / MAX_ROWS;
    call.num_panels = (linear->out_size + PANEL - 1) / PANEL;
    /* The last tile may be lower than the others, but no tile is higher than the number of rows asks for. */
    int64_t height = num_rows < MAX_ROWS ? tile_of(&call, 0).height : MAX_ROWS;
    int64_t bytes = call.form == FORM_FLOAT32 || call.form == FORM_EXPANDED ? 4 : 2;
    call.tile_bytes = (linear->in_size * height * bytes + 63) / 64 * 64;
    if (call.form == FORM_INT8)
        call.scale_bytes = ((linear->in_size + BLOCK - 1) / BLOCK * height * 4 + 63) / 64 * 64;
    call.memory = palmette_scratch(SCRATCH_LINEAR, call.num_tiles * (call.tile_bytes + call.scale_bytes));
    if (!call.memory) return 1;
    int64_t work = linear->in_size * linear->out_size * (num_rows < 4 ? 4 : num_rows);
    int64_t threads = work < 1 << 18 ? 1 : num_threads;
    palmette_share(pack_tiles, &call, call.num_tiles / 4, threads);
    palmette_share(multiply_units, &call, (call.num_panels + UNIT - 1) / UNIT, threads);
    return 0;
}

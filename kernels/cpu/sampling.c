/* Choosing tokens in one or two passes over the logits: the mask is read as bits, and noise is made only for tokens that
   can still win. The numbers are those of philox.py and sampling.py. */

#include <float.h>

#include "vector.h"

struct palmette_row {
    const float *logits;     /* [vocab_size] */
    const uint32_t *mask;    /* [vocab_size / 32, rounded up], bit i % 32 of word i / 32: token i may be chosen; or NULL */
    double temperature;      /* 0: the best token */
    uint64_t seed, path;
    int64_t position;
    int64_t token_id;        /* written: the choice, -1 where no token has more than -infinity */
    float best;              /* written: the largest logit that may be chosen; NaN where one of them is */
};

/* No noise is larger: -log(-log(1 - 2^-24)) = 16.64. */
#define LARGEST_NOISE 16.7

INLINE uint32_t word_of(const struct palmette_row *row, int64_t index, int64_t vocab_size) {
    uint32_t word = row->mask ? row->mask[index] : 0xffffffffu;
    int64_t left = vocab_size - index * 32;
    return left < 32 ? word & ((1u << left) - 1) : word;
}

/* All ones in the lanes whose bit, from `first` on, is set. */
INLINE words lanes_of(uint32_t word, int first) {
    words places;
    for (int i = 0; i < LANES; i++) places[i] = (uint32_t)i;
    return -(((word >> first) >> places) & 1);
}

INLINE floats select_floats(words mask, floats value, floats other) {
    return (floats)((mask & (words)value) | (~mask & (words)other));
}

/* 32 logits, with -infinity past the last. */
INLINE const float *logits_of(const struct palmette_row *row, int64_t index, int64_t vocab_size, float *padded) {
    if ((index + 1) * 32 <= vocab_size) return row->logits + index * 32;
    for (int i = 0; i < 32; i++) padded[i] = index * 32 + i < vocab_size ? row->logits[index * 32 + i] : -INFINITY;
    return padded;
}

/* Bits of the logits >= threshold among 32. */
INLINE uint32_t bits_from(const float *logits, float threshold) {
    uint32_t bits = 0;
    for (int v = 0; v < 32 / LANES; v++) {
        floats value = load_floats(logits + v * LANES);
#if LANES == 16
        bits |= (uint32_t)_mm512_cmp_ps_mask(value, spread(threshold), _CMP_GE_OQ) << (16 * v);
#elif LANES == 8
        bits |= (uint32_t)_mm256_movemask_ps((__m256)(value >= threshold)) << (8 * v);
#else
        for (int i = 0; i < LANES; i++) bits |= (uint32_t)(value[i] >= threshold) << (v * LANES + i);
#endif
    }
    return bits;
}

static void find_best(struct palmette_row *row, int64_t vocab_size) {
    int64_t num_words = (vocab_size + 31) / 32;
    floats lowest = spread(-INFINITY), best = lowest;
    words is_nan = {0};
    float padded[32];
    for (int64_t index = 0; index < num_words; index++) {
        uint32_t word = word_of(row, index, vocab_size);
        if (!word) continue;
        const float *logits = logits_of(row, index, vocab_size, padded);
        UNROLL for (int v = 0; v < 32 / LANES; v++) {
            floats value = load_floats(logits + v * LANES);
            if (word != 0xffffffffu) value = select_floats(lanes_of(word, v * LANES), value, lowest);
            is_nan |= (words)(value != value);
            best = maximum(value, best);
        }
    }
    row->token_id = -1;
    row->best = maximum_of(best);
    for (int i = 0; i < LANES; i++)
        if (is_nan[i]) row->best = NAN;
    if (!(row->best > -INFINITY)) return;
    for (int64_t index = 0; index < num_words; index++) {
        uint32_t word = word_of(row, index, vocab_size);
        if (!word) continue;
        uint32_t bits = word & bits_from(logits_of(row, index, vocab_size, padded), row->best);
        if (bits) {
            row->token_id = index * 32 + __builtin_ctz(bits);
            return;
        }
    }
}

/* The low and the high 32 bits of a * b, in each lane. */
INLINE void multiply_words(words a, uint32_t b, words *low, words *high) {
#if LANES == 16
    __m512i factor = _mm512_set1_epi64(b);
    __m512i even = _mm512_mul_epu32((__m512i)a, factor), odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);
    *low = (words)_mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));
    *high = (words)_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
#elif LANES == 8
    __m256i factor = _mm256_set1_epi64x(b);
    __m256i even = _mm256_mul_epu32((__m256i)a, factor), odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), factor);
    *low = (words)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    *high = (words)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#else
    for (int i = 0; i < LANES; i++) {
        uint64_t product = (uint64_t)a[i] * b;
        (*low)[i] = (uint32_t)product;
        (*high)[i] = (uint32_t)(product >> 32);
    }
#endif
}

/* The noise words of the tokens 4 * block to 4 * block + 3, for LANES blocks from `block` on: out[j] has token 4 * b + j
   in lane b. Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11), as in philox.py. */
INLINE void philox(const struct palmette_row *row, uint32_t block, words *out) {
    words none = {0}, c0 = none + (uint32_t)row->path, c1 = none + (uint32_t)(row->path >> 32);
    words c2 = none + (uint32_t)row->position, c3 = none + block;
    for (int i = 0; i < LANES; i++) c3[i] += (uint32_t)i;
    uint32_t k0 = (uint32_t)row->seed, k1 = (uint32_t)(row->seed >> 32);
    for (int round = 0; round < 10; round++) {
        words low0, high0, low1, high1;
        multiply_words(c0, 0xD2511F53u, &low0, &high0);
        multiply_words(c2, 0xCD9E8D57u, &low1, &high1);
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The word, less its low 9 bits, below which noise is less than `least`; a little less, for the rounding. */
static uint32_t least_word(double least) {
    double value = floor(exp(-exp(-least)) * 0x1p23) - 2;
    return value < 0 ? 0 : (uint32_t)value;
}

enum { BANDS = 18 };

struct contest {            /* of a row's tokens, for the highest score plus noise */
    double top;             /* so far */
    int64_t token_id;       /* whose it is */
    float threshold;        /* logits below cannot win, whatever their noise */
    uint32_t least[BANDS];  /* words that can win with a score of at most -i */
};

static void enter(const struct palmette_row *row, struct contest *contest, int64_t token_id, uint32_t word) {
    double score = ((double)row->logits[token_id] - (double)row->best) / row->temperature;
    int band = score > -1 ? 0 : score > 1 - BANDS ? (int)(-score * (1 - 1e-9)) : BANDS - 1;
    if (word < contest->least[band]) return;
    double uniform = ((double)word + 0.5) * 0x1p-23;
    double total = score + (double)(float)-log(-log(uniform));
    if (total < contest->top || (total == contest->top && token_id > contest->token_id)) return;
    contest->top = total;
    contest->token_id = token_id;
    for (int i = 0; i < BANDS; i++) contest->least[i] = least_word(total + i);
    contest->threshold = nextafterf((float)(row->best + (total - LARGEST_NOISE) * row->temperature), -INFINITY);
    if (!(contest->threshold > -FLT_MAX)) contest->threshold = -FLT_MAX; /* -infinity is never drawn */
}

/* argmax((logit - best) / temperature + noise). Scores are not above 0, so only noise above what the best token so far
   has can win, and only of tokens that LARGEST_NOISE could lift so far. */
static void draw(struct palmette_row *row, int64_t vocab_size) {
    struct contest contest = {.top = -INFINITY, .token_id = vocab_size};
    words noise[4];
    float padded[32];
    /* The most likely token first: it sets a mark that most others miss. */
    philox(row, (uint32_t)(row->token_id / 4), noise);
    enter(row, &contest, row->token_id, noise[row->token_id % 4][0] >> 9);
    int64_t num_words = (vocab_size + 31) / 32;
    for (int64_t index = 0; index < num_words; index += 2) {
        uint64_t bits = 0;
        for (int i = 0; i < 2 && index + i < num_words; i++) {
            uint32_t word = word_of(row, index + i, vocab_size);
            if (word) word &= bits_from(logits_of(row, index + i, vocab_size, padded), contest.threshold);
            bits |= (uint64_t)word << (32 * i);
        }
        for (int first = 0; bits && first < 64; first += 4 * LANES) {
            uint64_t part = bits >> first;
            if (LANES < 16) part &= (1ull << (4 * LANES % 64)) - 1;
            if (!part) continue;
            philox(row, (uint32_t)(index * 8 + first / 4), noise);
            for (int j = 0; j < 4; j++) {
                words shifted = noise[j] >> 9;
#if LANES == 16
                uint32_t able = _mm512_cmpge_epu32_mask((__m512i)shifted, _mm512_set1_epi32((int)contest.least[0]));
#else
                uint32_t able = 0;
                for (int i = 0; i < LANES; i++) able |= (uint32_t)(shifted[i] >= contest.least[0]) << i;
#endif
                for (; able; able &= able - 1) {
                    int lane = __builtin_ctz(able);
                    if (part >> (4 * lane + j) & 1)
                        enter(row, &contest, index * 32 + first + 4 * lane + j, shifted[lane]);
                }
            }
        }
    }
    row->token_id = contest.token_id;
}

struct sampling_call {
    struct palmette_row *rows;
    int64_t num_rows, vocab_size, next;
    double *masses;
};

static void sample_rows(void *job) {
    struct sampling_call *call = job;
    for (int64_t i; (i = next_piece(&call->next)) < call->num_rows;) {
        struct palmette_row *row = call->rows + i;
        find_best(row, call->vocab_size);
        if (row->temperature > 0 && row->token_id >= 0 && row->best < INFINITY) draw(row, call->vocab_size);
    }
}

/* The token of each row. */
void palmette_sample(struct palmette_row *rows, int64_t num_rows, int64_t vocab_size, int64_t num_threads) {
    struct sampling_call call = {.rows = rows, .num_rows = num_rows, .vocab_size = vocab_size};
    palmette_share(sample_rows, &call, num_rows, num_rows * vocab_size < 1 << 16 ? 1 : num_threads);
}

/* log(sum of e^logit) over the tokens of the mask; the sums of a stretch in float32, of all in float64. */
static double log_sum(const struct palmette_row *row, int64_t vocab_size) {
    enum { STRETCH = 128 };
    int64_t num_words = (vocab_size + 31) / 32;
    floats best = spread(row->best), lowest = spread(-INFINITY);
    double total = 0;
    float padded[32];
    for (int64_t first = 0; first < num_words; first += STRETCH) {
        floats sum = {0};
        int64_t end = first + STRETCH < num_words ? first + STRETCH : num_words;
        for (int64_t index = first; index < end; index++) {
            uint32_t word = word_of(row, index, vocab_size);
            if (!word) continue;
            const float *logits = logits_of(row, index, vocab_size, padded);
            UNROLL for (int v = 0; v < 32 / LANES; v++) {
                floats value = load_floats(logits + v * LANES) - best;
                if (word != 0xffffffffu) value = select_floats(lanes_of(word, v * LANES), value, lowest);
                words is_near = (words)(value > spread(-87.0f));
                sum += (floats)(is_near & (words)exponential(value));
            }
        }
        total += sum_of(sum);
    }
    return row->best + log(total);
}

static void weigh_rows(void *job) {
    struct sampling_call *call = job;
    for (int64_t i; (i = next_piece(&call->next)) < call->num_rows;) {
        struct palmette_row allowed = call->rows[i], all = allowed;
        all.mask = NULL;
        find_best(&allowed, call->vocab_size);
        find_best(&all, call->vocab_size);
        double mass = log_sum(&allowed, call->vocab_size) - log_sum(&all, call->vocab_size);
        call->masses[i] = mass > 0 ? 0 : mass;
    }
}

/* masses: [num_rows], the log of the probability that the tokens of each row's mask have. */
void palmette_log_masses(
    struct palmette_row *rows, int64_t num_rows, int64_t vocab_size, double *masses, int64_t num_threads
) {
    struct sampling_call call = {.rows = rows, .num_rows = num_rows, .vocab_size = vocab_size, .masses = masses};
    palmette_share(weigh_rows, &call, num_rows, num_rows * vocab_size < 1 << 16 ? 1 : num_threads);
}

/* Vectors of float32 as wide as the instruction set has them; bfloat16 in memory; and work shared among threads.

   Every operation is one element at a time in a fixed order, so that a result never depends on what else a call has. */

#ifndef PALMETTE_VECTOR_H
#define PALMETTE_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 64")

enum element_type { FLOAT32 = 0, BFLOAT16 = 1, INT8 = 2 };

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));

INLINE floats load_floats(const float *from) {
    floats value;
    memcpy(&value, from, sizeof value);
    return value;
}

INLINE void store_floats(float *to, floats value) { memcpy(to, &value, sizeof value); }

INLINE floats spread(float value) { return value - (floats){0}; }

/* a * b + c, rounded once where the processor can, else twice: always the same for one instruction set. */
INLINE floats multiply_add(floats a, floats b, floats c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* The larger; b where one of them is NaN. */
INLINE floats maximum(floats a, floats b) {
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_max_ps(a, b);
#else
    words is_more = (words)(a > b);
    return (floats)((is_more & (words)a) | (~is_more & (words)b));
#endif
}

INLINE float sum_of(floats value) {
    float lanes[LANES];
    memcpy(lanes, &value, sizeof lanes);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
    return lanes[0];
}

INLINE float maximum_of(floats value) {
    float best = value[0];
    for (int i = 1; i < LANES; i++) best = value[i] > best ? value[i] : best;
    return best;
}

INLINE float float_of_bfloat16(uint16_t bits) {
    uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Rounds to the nearest, to even among two. */
INLINE uint16_t bfloat16_of_float(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    if (value != value) return 0x7fc0;
    return (uint16_t)((word + 0x7fff + ((word >> 16) & 1)) >> 16);
}

INLINE floats load_bfloat16(const uint16_t *from) {
    halves bits;
    memcpy(&bits, from, sizeof bits);
    return (floats)(__builtin_convertvector(bits, words) << 16);
}

INLINE void store_bfloat16(uint16_t *to, floats value) {
    words word = (words)value;
    words rounded = (word + 0x7fff + ((word >> 16) & 1)) >> 16;
    words is_nan = (words)(value != value);
    halves bits = __builtin_convertvector((is_nan & 0x7fc0) | (~is_nan & rounded), halves);
    memcpy(to, &bits, sizeof bits);
}

INLINE floats load_as_floats(const void *from, int64_t index, int type) {
    return type == BFLOAT16 ? load_bfloat16((const uint16_t *)from + index) : load_floats((const float *)from + index);
}

INLINE void store_as(void *to, int64_t index, int type, floats value) {
    if (type == BFLOAT16)
        store_bfloat16((uint16_t *)to + index, value);
    else
        store_floats((float *)to + index, value);
}

INLINE float load_as_float(const void *from, int64_t index, int type) {
    return type == BFLOAT16 ? float_of_bfloat16(((const uint16_t *)from)[index]) : ((const float *)from)[index];
}

INLINE void store_one_as(void *to, int64_t index, int type, float value) {
    if (type == BFLOAT16)
        ((uint16_t *)to)[index] = bfloat16_of_float(value);
    else
        ((float *)to)[index] = value;
}

/* Rounds to the nearest integer, to even among two; |value| < 2^22. */
INLINE ints nearest_ints(floats value) {
    floats magic = spread(12582912.0f); /* 1.5 * 2^23: adding it leaves the integer in the low bits */
    return (ints)(value + magic) - (ints)magic;
}

/* e^x within 2 units in the last place for x in [-87, 88]; less gives about 1e-38, more is the caller's fault.
   x = n log 2 + r with |r| <= log(2) / 2, and a Taylor polynomial of degree 7 for e^r. */
INLINE floats exponential(floats x) {
    x = maximum(spread(-87.0f), x);
    ints n = nearest_ints(x * 1.44269504f);
    floats whole = __builtin_convertvector(n, floats);
    floats r = multiply_add(whole, spread(-0.693359375f), x);
    r = multiply_add(whole, spread(2.12194440e-4f), r);
    floats sum = spread(1.0f / 5040);
    sum = multiply_add(sum, r, spread(1.0f / 720));
    sum = multiply_add(sum, r, spread(1.0f / 120));
    sum = multiply_add(sum, r, spread(1.0f / 24));
    sum = multiply_add(sum, r, spread(1.0f / 6));
    sum = multiply_add(sum, r, spread(0.5f));
    sum = multiply_add(sum, r, spread(1.0f));
    sum = multiply_add(sum, r, spread(1.0f));
    return sum * (floats)((n + 127) << 23);
}

/* Calls work(job) on num_threads threads at once, this one included, but on no more than there are pieces; on one it is a
   plain call. Whoever waits for a thread that has nothing to do may wait long where others use the machine. */
void palmette_share(void (*work)(void *), void *job, int64_t num_pieces, int64_t num_threads);

/* The next of the pieces of a job, which threads take from a counter: who is slow takes fewer. */
INLINE int64_t next_piece(int64_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* Memory of the calling thread that stays for its next call, one piece for each user; NULL where there is none left. */
enum scratch { SCRATCH_LINEAR, SCRATCH_ATTENTION, SCRATCH_BLOCK, NUM_SCRATCH };
void *palmette_scratch(enum scratch user, int64_t num_bytes);

#endif

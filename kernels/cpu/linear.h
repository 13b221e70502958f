/* The linear product, for the C files that use it. */

#ifndef PALMETTE_LINEAR_H
#define PALMETTE_LINEAR_H

#include "vector.h"

struct palmette_linear {
    const void *weights; /* [num_panels, num_steps, 32 (, 2)] */
    const float *scales; /* [out_size] of int8 weights */
    const float *bias;   /* [out_size] or NULL */
    int64_t in_size, out_size;
    int64_t weight_type;
};

/* y = x W^T (+ bias) (+ residual); x: [num_rows, in_size] of x_type, rows x_stride elements apart. out, residual:
   [num_rows, out_size] of out_type, contiguous; the residual may be NULL, or out itself. Returns 0, or 1 where there is
   no memory. */
int palmette_linear(
    const struct palmette_linear *linear, const void *x, int64_t x_type, int64_t x_stride, int64_t num_rows,
    const void *residual, void *out, int64_t out_type, int64_t num_threads
);

#endif

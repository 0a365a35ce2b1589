// What attention in float32 and its derivative share.
#pragma once
#include "exponential.h"
#include "narrow_factor.h"
#include "wide_attention.h"
#include "wide_kernels.h"
#include <stddef.h>

// out[r] = sum of a[r] b[r], rows of both `stride` apart.
void wide_row_dots(const float *a, const float *b, size_t stride, float *out, size_t rows, size_t c);
// The transpose of x [rows, size] with zeros up to a multiple of 16 columns, as panels [size][48, 32 or 16].
void wide_pack_transposed(const float *x, size_t stride, size_t rows, size_t size, float *packed);
// products[rows, columns] = A B with B [inner, columns] packed so.
void wide_multiply_panels(const wide_kernels *kernels, const float *a, size_t a_row, const float *packed,
                     const wide_scores *products, size_t inner);

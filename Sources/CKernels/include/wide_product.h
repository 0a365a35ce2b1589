/// Matrix products of float32 numbers whose right factor is packed once and used many times.
#pragma once
#include "narrow_product.h"

/// Whether this processor has a kernel that is worth packing for: vectors with fused multiplication and addition.
bool rectifid_has_wide_product(void);

/// Instructions that kernels in float32 are compiled for.
typedef enum { RECTIFID_WIDE_PORTABLE, RECTIFID_WIDE_AVX2, RECTIFID_WIDE_AVX512 } rectifid_wide_level;
/// The highest level of this processor that the calling thread may take.
rectifid_wide_level rectifid_wide_level_here(void);
/// For tests: the most that the calling thread may take from now on.
void rectifid_limit_wide_level(rectifid_wide_level most);

/// Columns of the right factor lie in panels of RECTIFID_PANEL (the last one in 16, 32 or 48), each panel as
/// [inner][columns]; as many panels as rectifid_packed_panels() says.
///
/// Numbers of a packed factor of `inner` x `columns`.
size_t rectifid_wide_numbers(size_t inner, size_t columns);
/// Packs the transpose of x [columns, inner], multiples of 16 and 8, whose rows are `stride` apart.
void rectifid_wide_pack(const float *x, size_t stride, size_t columns, size_t inner, float *packed);
/// Columns [first_column, first_column + count) of `width` rows from `first_row` on of a packed factor of `inner` x
/// `columns`, multiples of 8, as a part [count][width] of a panel of its transpose.
void rectifid_wide_transpose(const float *packed, size_t inner, size_t columns, size_t first_row, size_t width,
                             size_t first_column, size_t count, float *transposed);

/// Steps along the inner extent after which sums in registers go to memory: what they are multiplied by stays in the
/// first caches, and sums of sums round less than one long sum.
#define RECTIFID_WIDE_STEPS 240

/// C[rows, width] (+)= A[rows, inner] B, with B [inner][width] a part of one panel, `width` 16, 32 or 48 and `inner` at
/// most RECTIFID_WIDE_STEPS. Rows of A are `a_stride` numbers apart, those of C `c_stride`. `ahead` may be NULL.
void rectifid_wide_product(const float *a, size_t a_stride, const float *b, size_t inner, float *c, size_t c_stride,
                           size_t rows, size_t width, bool accumulate, const rectifid_ahead *ahead);

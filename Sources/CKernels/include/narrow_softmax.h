#pragma once
#include <stddef.h>
#include <stdint.h>

// Attention whose scores are looked at block by block, in the manner of Dao and others 2022 (arXiv 2205.14135): `stride`
// numbers lie between rows of scores and of what is made of them, which is bfloat16. Rows get zeros up to a multiple of 16.
// The first two run where rectifid_has_narrow_product() only.

/// p = exp(scale * s - top) for a block of keys; `top` and `sum` of all blocks so far go on, and what is made of the
/// blocks before must be multiplied by `rescale`.
void rectifid_softmax_block(const float *s, float scale, uint16_t *p, float *top, float *sum, float *rescale,
                            size_t rows, size_t c, size_t stride);
/// x[r] *= scale[r] for rows of c.
void rectifid_scale_rows(float *x, const float *scale, size_t rows, size_t c);
/// p = exp(scale * s - lse), ds = scale * p * (dp - delta).
void rectifid_softmax_block_gradient(const float *s, const float *dp, float scale, const float *lse, const float *delta,
                                     uint16_t *p, uint16_t *ds, size_t rows, size_t c, size_t stride);
/// lse = top + log(sum), inverse = 1 / sum.
void rectifid_log_sums(const float *top, const float *sum, float *lse, float *inverse, size_t rows);
/// out[r] = sum of a[r] b[r] over c columns, rows `stride` apart.
void rectifid_row_dots(const uint16_t *a, const uint16_t *b, size_t stride, float *out, size_t rows, size_t c);

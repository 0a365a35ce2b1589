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
/// lse = top + log(sum), inverse = 1 / sum.
void rectifid_log_sums(const float *top, const float *sum, float *lse, float *inverse, size_t rows);
/// out[r] = sum of a[r] b[r] over c columns, rows `stride` apart.
void rectifid_row_dots(const uint16_t *a, const uint16_t *b, size_t stride, float *out, size_t rows, size_t c);

/// What the derivative of a block of an attention is made of: `rows` queries and slopes of their outputs, `stride` numbers
/// apart, and `columns` keys and values, transposed and packed as factors of `size` (even) x `columns`.
typedef struct {
    const uint16_t *q, *dy;
    const uint32_t *keys, *values;
    size_t stride, size, rows, columns;
    float scale;
    const float *lse, *delta;
    /// Slopes of the scores, rows `ds_stride` apart, with room up to a multiple of 16.
    uint16_t *ds;
    size_t ds_stride;
    /// Probabilities and slopes as packed factors of `rows` x `columns`; NULL where nobody asks.
    uint32_t *packed_p, *packed_ds;
} rectifid_slopes;

/// p = exp(scale * q k - lse), ds = scale * p * (dy v - delta); scores never leave registers.
void rectifid_attention_slopes(const rectifid_slopes *x);

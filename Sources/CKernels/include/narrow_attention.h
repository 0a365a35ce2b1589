#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Attention whose scores are looked at block by block, in the manner of Dao and others 2022 (arXiv 2205.14135), in
// bfloat16 with float32 sums. rectifid_attention_scores() and rectifid_attention_slopes() run where
// rectifid_has_narrow_product() only.

/// What the probabilities of a block of an attention are made of: `rows` queries, `stride` numbers apart, and `columns` keys,
/// transposed and packed as a factor of `size` (even) x `columns`.
typedef struct {
    const uint16_t *q;
    const uint32_t *keys;
    size_t stride, size, rows, columns;
    float scale;
    /// The first block of keys that these rows meet.
    bool first;
    /// Rows `p_stride` apart, which get zeros up to a multiple of 16.
    uint16_t *p;
    size_t p_stride;
    /// [rows]: about the highest score so far, times the binary logarithm of e.
    float *top;
    /// [rows, 16]: sums of the exponentials so far; zeros before the first block.
    float *sums;
    /// [rows]: what is made of the blocks before must be multiplied by that, mostly 1.
    float *rescale;
} rectifid_scores;

/// p = exp(scale * q k - top), and the rest goes on; scores never leave registers. Whether there is something to rescale.
bool rectifid_attention_scores(const rectifid_scores *x);
/// From what rectifid_attention_scores() left: lse = log of the sum of exp(scale * q k), inverse = 1 / sum of exp(.. - top).
void rectifid_log_sums(const float *top, const float *sums, float *lse, float *inverse, size_t rows);
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

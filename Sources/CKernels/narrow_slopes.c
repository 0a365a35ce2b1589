#include "narrow_attention.h"
#include "narrow_exponential.h"
#include "narrow_factor.h"
#include "number.h"
#include "vectorize.h"

RECTIFID_VECTORIZE
void rectifid_row_dots(const uint16_t *restrict a, const uint16_t *restrict b, size_t stride, float *restrict out,
                       size_t rows, size_t c) {
    RECTIFID_REASSOCIATE
    for (size_t r = 0; r < rows; r++, a += stride, b += stride) {
        float sum = 0;
        for (size_t i = 0; i < c; i++) sum += widened(a[i]) * widened(b[i]);
        out[r] = sum;
    }
}

#if defined(__x86_64__)

// Two rows as they lie in a packed factor that pairs them.
STEP void store_pair(uint32_t *out, __m512bh rows) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                           20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_storeu_si512(out, _mm512_permutexvar_epi16(order, (__m512i)rows));
}

// Scores and slopes of four rows and 16 `vectors` keys, in registers until the exponentials are taken.
STEP void slope_tile(const rectifid_slopes *x, const uint16_t *const q[4], const uint16_t *const dy[4], const uint32_t *keys,
                     const uint32_t *values, size_t row, size_t column, const int vectors) {
    const size_t pairs = x->size / 2;
    __m512 s[4][3], g[4][3];
    for (int r = 0; r < 4; r++)
        for (int v = 0; v < vectors; v++) s[r][v] = g[r][v] = _mm512_setzero_ps();
    for (size_t k = 0; k < pairs; k++, keys += 16 * vectors, values += 16 * vectors) {
        __m512bh right[3];
        for (int v = 0; v < vectors; v++) right[v] = (__m512bh)_mm512_loadu_si512(keys + 16 * v);
        for (int r = 0; r < 4; r++) {
            const __m512bh left = pair_of(q[r] + 2 * k);
            for (int v = 0; v < vectors; v++) s[r][v] = _mm512_dpbf16_ps(s[r][v], left, right[v]);
        }
        for (int v = 0; v < vectors; v++) right[v] = (__m512bh)_mm512_loadu_si512(values + 16 * v);
        for (int r = 0; r < 4; r++) {
            const __m512bh left = pair_of(dy[r] + 2 * k);
            for (int v = 0; v < vectors; v++) g[r][v] = _mm512_dpbf16_ps(g[r][v], left, right[v]);
        }
    }
    const __m512 slope = _mm512_set1_ps(x->scale * BINARY_LOGARITHM_OF_E), factor = _mm512_set1_ps(x->scale);
    const size_t panel = column / RECTIFID_PANEL * RECTIFID_PANEL * pairs_of(x->rows);
    for (int r = 0; r < 4 && row + r < x->rows; r += 2) {
        const bool both = row + r + 1 < x->rows;
        const __m512 shift[2] = {_mm512_set1_ps(-x->lse[row + r] * BINARY_LOGARITHM_OF_E),
                                 _mm512_set1_ps(both ? -x->lse[row + r + 1] * BINARY_LOGARITHM_OF_E : 0)};
        const __m512 mean[2] = {_mm512_set1_ps(x->delta[row + r] * x->scale),
                                _mm512_set1_ps(both ? x->delta[row + r + 1] * x->scale : 0)};
        for (int v = 0; v < vectors; v++) {
            const __mmask16 there = lanes(column + 16 * v, x->columns);
            const __m512 e0 = power_of_two(_mm512_fmadd_ps(s[r][v], slope, shift[0]), there);
            const __m512 e1 = power_of_two(_mm512_fmadd_ps(s[r + 1][v], slope, shift[1]), both ? there : 0);
            const __m512 ds0 = _mm512_mul_ps(e0, _mm512_fmsub_ps(g[r][v], factor, mean[0]));
            const __m512 ds1 = _mm512_mul_ps(e1, _mm512_fmsub_ps(g[r + 1][v], factor, mean[1]));
            const __m512bh ds = _mm512_cvtne2ps_pbh(ds1, ds0);
            uint16_t *out = x->ds + (row + r) * x->ds_stride + column + 16 * v;
            _mm256_storeu_si256((__m256i *)out, _mm512_castsi512_si256((__m512i)ds));
            if (both) _mm256_storeu_si256((__m256i *)(out + x->ds_stride), _mm512_extracti64x4_epi64((__m512i)ds, 1));
            if (!x->packed_p) continue;
            const size_t at = panel + (row + r) / 2 * 16 * vectors + 16 * v;
            store_pair(x->packed_p + at, _mm512_cvtne2ps_pbh(e1, e0));
            store_pair(x->packed_ds + at, ds);
        }
    }
}

NARROW
void rectifid_attention_slopes(const rectifid_slopes *x) {
    for (size_t column = 0; column < x->columns; column += RECTIFID_PANEL) {
        const size_t width = panel_width(column, x->columns), from = column * (x->size / 2);
        for (size_t row = 0; row < x->rows; row += 4) {
            const uint16_t *q[4], *dy[4];
            for (size_t r = 0; r < 4; r++) {
                // Rows that are not there are computed as copies of the last, and left out.
                const size_t at = (row + r < x->rows ? row + r : x->rows - 1) * x->stride;
                q[r] = x->q + at, dy[r] = x->dy + at;
            }
            switch (width) {
            case 48: slope_tile(x, q, dy, x->keys + from, x->values + from, row, column, 3); break;
            case 32: slope_tile(x, q, dy, x->keys + from, x->values + from, row, column, 2); break;
            default: slope_tile(x, q, dy, x->keys + from, x->values + from, row, column, 1); break;
            }
        }
    }
}

#else

void rectifid_attention_slopes(const rectifid_slopes *x) {
    (void)x;
    __builtin_trap();
}

#endif

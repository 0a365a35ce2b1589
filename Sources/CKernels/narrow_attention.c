#include "narrow_attention.h"
#include "narrow_factor.h"
#include "narrow_vectors.h"
#include "number.h"
#include "vectorize.h"

#include <float.h>
#include <math.h>

RECTIFID_VECTORIZE
void rectifid_scale_rows(float *restrict x, const float *restrict scale, size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, x += c)
        for (size_t i = 0; i < c; i++) x[i] *= scale[r];
}

void rectifid_log_sums(const float *top, const float *sum, float *lse, float *inverse, size_t rows) {
    for (size_t r = 0; r < rows; r++) {
        lse[r] = top[r] + logf(sum[r]);
        inverse[r] = 1.0f / sum[r];
    }
}

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

static const float binary_logarithm_of_e = 1.44269504088896341f;

// 2^x, relative error below 4e-6, far below the rounding to bfloat16 that follows; zero in lanes that are not there. Zero
// far below zero, by itself.
STEP __m512 power_of_two(__m512 x, __mmask16 there) {
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = _mm512_sub_ps(x, whole);
    __m512 p = _mm512_set1_ps(0.00957010127f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0559178591f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.240247443f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693121791f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999999285f));
    return _mm512_maskz_scalef_ps(there, p, whole);
}

// The lanes of the vector at `column` that lie before `columns`.
STEP __mmask16 lanes(size_t column, size_t columns) {
    return columns - column >= 16 ? 0xffff : (__mmask16)((1u << (columns - column)) - 1);
}

NARROW
static float highest_of(const float *s, size_t columns) {
    __m512 highest = _mm512_set1_ps(-FLT_MAX);
    for (size_t i = 0; i < columns; i += 16)
        highest = _mm512_mask_max_ps(highest, lanes(i, columns), highest, _mm512_loadu_ps(s + i));
    return _mm512_reduce_max_ps(highest);
}

NARROW
void rectifid_softmax_block(const float *s, float scale, uint16_t *p, float *top, float *sum, float *rescale, size_t rows,
                            size_t columns, size_t stride) {
    const __m512 slope = _mm512_set1_ps(scale * binary_logarithm_of_e);
    for (size_t r = 0; r < rows; r++, s += stride, p += stride) {
        const float block = highest_of(s, columns) * scale, highest = block > top[r] ? block : top[r];
        const __m512 shift = _mm512_set1_ps(-highest * binary_logarithm_of_e);
        __m512 total = _mm512_setzero_ps();
        for (size_t i = 0; i < columns; i += 16) {
            const __m512 e = power_of_two(_mm512_fmadd_ps(_mm512_loadu_ps(s + i), slope, shift), lanes(i, columns));
            total = _mm512_add_ps(total, e);
            store_narrow(p + i, e);
        }
        const __m128 fall = _mm_set_ss((top[r] - highest) * binary_logarithm_of_e);
        rescale[r] = _mm512_cvtss_f32(power_of_two(_mm512_broadcastss_ps(fall), 1));
        sum[r] = sum[r] * rescale[r] + _mm512_reduce_add_ps(total);
        top[r] = highest;
    }
}

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
    const __m512 slope = _mm512_set1_ps(x->scale * binary_logarithm_of_e), factor = _mm512_set1_ps(x->scale);
    const size_t panel = column / RECTIFID_PANEL * RECTIFID_PANEL * pairs_of(x->rows);
    for (int r = 0; r < 4 && row + r < x->rows; r += 2) {
        const bool both = row + r + 1 < x->rows;
        const __m512 shift[2] = {_mm512_set1_ps(-x->lse[row + r] * binary_logarithm_of_e),
                                 _mm512_set1_ps(both ? -x->lse[row + r + 1] * binary_logarithm_of_e : 0)};
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

void rectifid_softmax_block(const float *s, float scale, uint16_t *p, float *top, float *sum, float *rescale, size_t rows,
                            size_t columns, size_t stride) {
    (void)s, (void)scale, (void)p, (void)top, (void)sum, (void)rescale, (void)rows, (void)columns, (void)stride;
    __builtin_trap();
}

void rectifid_attention_slopes(const rectifid_slopes *x) {
    (void)x;
    __builtin_trap();
}

#endif

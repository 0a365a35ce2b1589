#include "narrow_attention.h"
#include "narrow_exponential.h"
#include "narrow_factor.h"
#include "vectorize.h"

#include <float.h>
#include <math.h>

RECTIFID_VECTORIZE
void rectifid_scale_rows(float *restrict x, const float *restrict scale, size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, x += c)
        for (size_t i = 0; i < c; i++) x[i] *= scale[r];
}

void rectifid_log_sums(const float *top, const float *sums, float *lse, float *inverse, size_t rows) {
    for (size_t r = 0; r < rows; r++, sums += 16) {
        float sum = 0;
        for (int i = 0; i < 16; i++) sum += sums[i];
        lse[r] = top[r] * 0.69314718055994531f + logf(sum);
        inverse[r] = 1.0f / sum;
    }
}

#if defined(__x86_64__)

// How far, as a power of two, a score may lie above the highest before: exponentials up to 2^8 are as good as those up to 1,
// and so a row seldom has to be scaled anew after its first few keys.
static const float slack = 8;

// A row's scores go beyond `slack`: all that was made of it is scaled down. Returns by how many powers of two.
NARROW __attribute__((noinline)) static float raise_top(const rectifid_scores *x, size_t row, size_t column, float by) {
    const __m512 fall = power_of_two(_mm512_set1_ps(-by), 0xffff);
    uint16_t *p = x->p + row * x->p_stride;
    for (size_t i = 0; i < column; i += 16) store_narrow(p + i, _mm512_mul_ps(load_narrow(p + i), fall));
    _mm512_storeu_ps(x->sums + 16 * row, _mm512_mul_ps(_mm512_loadu_ps(x->sums + 16 * row), fall));
    x->rescale[row] *= _mm512_cvtss_f32(fall);
    x->top[row] += by;
    return by;
}

// Of a row's first scores; the last vector may end early.
STEP float highest_of(const __m512 s[3], __m512 slope, __mmask16 there, const int vectors) {
    __m512 highest = _mm512_mask_mul_ps(_mm512_set1_ps(-FLT_MAX), there, s[vectors - 1], slope);
    for (int v = 0; v + 1 < vectors; v++) highest = _mm512_max_ps(highest, _mm512_mul_ps(s[v], slope));
    return _mm512_reduce_max_ps(highest);
}

// Scores of eight rows and 16 `vectors` keys, in registers until the exponentials are taken.
STEP void score_tile(const rectifid_scores *x, const uint32_t *keys, size_t row, size_t column, const int vectors) {
    const size_t pairs = x->size / 2;
    const uint16_t *q[8];
    // Rows that are not there are computed as copies of the last, and left out.
    for (size_t r = 0; r < 8; r++) q[r] = x->q + (row + r < x->rows ? row + r : x->rows - 1) * x->stride;
    __m512 s[8][3];
    for (int r = 0; r < 8; r++)
        for (int v = 0; v < vectors; v++) s[r][v] = _mm512_setzero_ps();
    for (size_t k = 0; k < pairs; k++, keys += 16 * vectors) {
        __m512bh right[3];
        for (int v = 0; v < vectors; v++) right[v] = (__m512bh)_mm512_loadu_si512(keys + 16 * v);
        for (int r = 0; r < 8; r++) {
            const __m512bh left = pair_of(q[r] + 2 * k);
            for (int v = 0; v < vectors; v++) s[r][v] = _mm512_dpbf16_ps(s[r][v], left, right[v]);
        }
    }
    const __m512 slope = _mm512_set1_ps(x->scale * binary_logarithm_of_e);
    const __mmask16 there = lanes(column + 16 * (vectors - 1), x->columns);
    for (size_t r = 0; r < 8 && row + r < x->rows; r++) {
        if (x->first && column == 0) x->top[row + r] = highest_of(s[r], slope, there, vectors);
        const __m512 shift = _mm512_set1_ps(-x->top[row + r]);
        for (int v = 0; v < vectors; v++) s[r][v] = _mm512_fmadd_ps(s[r][v], slope, shift);
        __m512 highest = _mm512_maskz_mov_ps(there, s[r][vectors - 1]);
        for (int v = 0; v + 1 < vectors; v++) highest = _mm512_max_ps(highest, s[r][v]);
        if (__builtin_expect(_mm512_cmp_ps_mask(highest, _mm512_set1_ps(slack), _CMP_GT_OQ), 0)) {
            const __m512 by = _mm512_set1_ps(raise_top(x, row + r, column, _mm512_reduce_max_ps(highest)));
            for (int v = 0; v < vectors; v++) s[r][v] = _mm512_sub_ps(s[r][v], by);
        }
        __m512 sum = _mm512_loadu_ps(x->sums + 16 * (row + r));
        for (int v = 0; v < vectors; v++) {
            const __m512 e = power_of_two(s[r][v], v + 1 < vectors ? 0xffff : there);
            sum = _mm512_add_ps(sum, e);
            store_narrow(x->p + (row + r) * x->p_stride + column + 16 * v, e);
        }
        _mm512_storeu_ps(x->sums + 16 * (row + r), sum);
    }
}

NARROW
void rectifid_attention_scores(const rectifid_scores *x) {
    for (size_t r = 0; r < x->rows; r++) x->rescale[r] = 1;
    for (size_t column = 0; column < x->columns; column += RECTIFID_PANEL) {
        const size_t width = panel_width(column, x->columns);
        const uint32_t *keys = x->keys + column * (x->size / 2);
        for (size_t row = 0; row < x->rows; row += 8) {
            switch (width) {
            case 48: score_tile(x, keys, row, column, 3); break;
            case 32: score_tile(x, keys, row, column, 2); break;
            default: score_tile(x, keys, row, column, 1); break;
            }
        }
    }
}

#else

void rectifid_attention_scores(const rectifid_scores *x) {
    (void)x;
    __builtin_trap();
}

#endif

#include "narrow_attention.h"
#include "narrow_exponential.h"
#include "narrow_factor.h"

#include <float.h>
#include <math.h>

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

// Scores of a tile of four rows and 16 `vectors` keys, less their rows' top: powers of two of them are still to be taken.
typedef struct {
    float scores[4][3][16];
    size_t row, column, rows, vectors;
} score_block;

STEP __m512 exponentials(const float *scores, uint16_t *p, __mmask16 there) {
    const __m512 e = power_of_two(_mm512_loadu_ps(scores), there);
    store_narrow(p, e);
    return e;
}

STEP void finish(const rectifid_scores *x, score_block *block) {
    for (size_t r = 0; r < block->rows; r++) {
        const size_t row = block->row + r;
        for (size_t v = 0; v < block->vectors; v++) {
            const size_t column = block->column + 16 * v;
            uint16_t *p = x->p + row * x->p_stride + column;
            const __m512 e = exponentials(block->scores[r][v], p, lanes(column, x->columns));
            _mm512_storeu_ps(x->sums + 16 * row, _mm512_add_ps(_mm512_loadu_ps(x->sums + 16 * row), e));
        }
    }
    block->rows = 0;
}

STEP void score_step(const uint16_t *const q[4], const uint32_t *keys, size_t k, __m512 s[4][3], const int vectors) {
    __m512bh right[3];
    for (int v = 0; v < vectors; v++) right[v] = (__m512bh)_mm512_loadu_si512(keys + 16 * (k * vectors + v));
    for (int r = 0; r < 4; r++) {
        const __m512bh left = pair_of(q[r] + 2 * k);
        for (int v = 0; v < vectors; v++) s[r][v] = _mm512_dpbf16_ps(s[r][v], left, right[v]);
    }
}

// The first steps of a tile, and between them the exponentials of the tile before, which is whole: products and exponentials
// wait for different units of the processor, and too far apart it would not see that they can go together.
STEP size_t score_and_finish(const rectifid_scores *x, const uint16_t *const q[4], const uint32_t *keys, __m512 s[4][3],
                             score_block *block, const int vectors) {
    const __mmask16 there = lanes(block->column + 32, x->columns);
    const size_t p_stride = x->p_stride;
    uint16_t *p = x->p + block->row * p_stride + block->column;
    float *sums = x->sums + 16 * block->row;
    const float *scores = block->scores[0][0];
    size_t k = 0;
#pragma clang loop unroll(disable)
    for (size_t r = 0; r < 4; r++, p += p_stride, sums += 16, scores += 48) {
        score_step(q, keys, k++, s, vectors);
        const __m512 first = exponentials(scores, p, 0xffff);
        score_step(q, keys, k++, s, vectors);
        const __m512 second = exponentials(scores + 16, p + 16, 0xffff);
        score_step(q, keys, k++, s, vectors);
        const __m512 third = exponentials(scores + 32, p + 32, there);
        _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), _mm512_add_ps(first, _mm512_add_ps(second, third))));
    }
    return k;
}

// A row's scores less its top, which rises first where they are too high.
STEP void keep_row(const rectifid_scores *x, __m512 s[3], size_t row, size_t column, float scores[3][16],
                   const int vectors) {
    const __m512 slope = _mm512_set1_ps(x->scale * BINARY_LOGARITHM_OF_E);
    const __mmask16 there = lanes(column + 16 * (vectors - 1), x->columns);
    if (x->first && column == 0) x->top[row] = highest_of(s, slope, there, vectors);
    const __m512 shift = _mm512_set1_ps(-x->top[row]);
    for (int v = 0; v < vectors; v++) s[v] = _mm512_fmadd_ps(s[v], slope, shift);
    __m512 highest = _mm512_maskz_mov_ps(there, s[vectors - 1]);
    for (int v = 0; v + 1 < vectors; v++) highest = _mm512_max_ps(highest, s[v]);
    if (__builtin_expect(_mm512_cmp_ps_mask(highest, _mm512_set1_ps(slack), _CMP_GT_OQ), 0)) {
        const __m512 by = _mm512_set1_ps(raise_top(x, row, column, _mm512_reduce_max_ps(highest)));
        for (int v = 0; v < vectors; v++) s[v] = _mm512_sub_ps(s[v], by);
    }
    for (int v = 0; v < vectors; v++) _mm512_storeu_ps(scores[v], s[v]);
}

// Computes a tile's scores into `block`, and meanwhile finishes what was there.
STEP void score_tile(const rectifid_scores *x, const uint32_t *keys, size_t row, size_t column, score_block *block,
                     const int vectors) {
    const size_t pairs = x->size / 2;
    const uint16_t *q[4];
    // Rows that are not there are computed as copies of the last, and left out.
    for (size_t r = 0; r < 4; r++) q[r] = x->q + (row + r < x->rows ? row + r : x->rows - 1) * x->stride;
    __m512 s[4][3];
    for (int r = 0; r < 4; r++)
        for (int v = 0; v < vectors; v++) s[r][v] = _mm512_setzero_ps();
    size_t k = 0;
    if (block->rows == 4 && block->vectors == 3 && pairs >= 12) k = score_and_finish(x, q, keys, s, block, vectors);
    else finish(x, block);
    for (; k < pairs; k++) score_step(q, keys, k, s, vectors);
    block->row = row, block->column = column, block->vectors = vectors;
    block->rows = x->rows - row < 4 ? x->rows - row : 4;
#pragma clang loop unroll(full)
    for (size_t r = 0; r < 4; r++)
        if (row + r < x->rows) keep_row(x, s[r], row + r, column, block->scores[r], vectors);
}

NARROW
bool rectifid_attention_scores(const rectifid_scores *x) {
    score_block block;
    block.rows = 0;
    for (size_t r = 0; r < x->rows; r++) x->rescale[r] = 1;
    for (size_t column = 0; column < x->columns; column += RECTIFID_PANEL) {
        const size_t width = panel_width(column, x->columns);
        const uint32_t *keys = x->keys + column * (x->size / 2);
        for (size_t row = 0; row < x->rows; row += 4) {
            switch (width) {
            case 48: score_tile(x, keys, row, column, &block, 3); break;
            case 32: score_tile(x, keys, row, column, &block, 2); break;
            default: score_tile(x, keys, row, column, &block, 1); break;
            }
        }
        // What a row is scaled down by, it is before its next scores come.
        finish(x, &block);
    }
    bool rescales = false;
    for (size_t r = 0; r < x->rows; r++) rescales |= x->rescale[r] != 1;
    return rescales;
}

#else

bool rectifid_attention_scores(const rectifid_scores *x) {
    (void)x;
    __builtin_trap();
}

#endif

#include "narrow_softmax.h"
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

// 2^x, relative error below 4e-6, far below the rounding to bfloat16 that follows. Zero far below zero, by itself.
STEP __m512 power_of_two(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = _mm512_sub_ps(x, whole);
    __m512 p = _mm512_set1_ps(0.00957010127f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0559178591f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.240247443f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693121791f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999999285f));
    return _mm512_scalef_ps(p, whole);
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
            const __m512 power = power_of_two(_mm512_fmadd_ps(_mm512_loadu_ps(s + i), slope, shift));
            const __m512 e = _mm512_maskz_mov_ps(lanes(i, columns), power);
            total = _mm512_add_ps(total, e);
            store_narrow(p + i, e);
        }
        const __m128 fall = _mm_set_ss((top[r] - highest) * binary_logarithm_of_e);
        rescale[r] = _mm512_cvtss_f32(power_of_two(_mm512_broadcastss_ps(fall)));
        sum[r] = sum[r] * rescale[r] + _mm512_reduce_add_ps(total);
        top[r] = highest;
    }
}

NARROW
void rectifid_softmax_block_gradient(const float *s, const float *dp, float scale, const float *lse, const float *delta,
                                     uint16_t *p, uint16_t *ds, size_t rows, size_t columns, size_t stride) {
    const __m512 slope = _mm512_set1_ps(scale * binary_logarithm_of_e), factor = _mm512_set1_ps(scale);
    for (size_t r = 0; r < rows; r++, s += stride, dp += stride, ds += stride, p += stride) {
        const __m512 shift = _mm512_set1_ps(-lse[r] * binary_logarithm_of_e), mean = _mm512_set1_ps(delta[r]);
        for (size_t i = 0; i < columns; i += 16) {
            const __m512 power = power_of_two(_mm512_fmadd_ps(_mm512_loadu_ps(s + i), slope, shift));
            const __m512 e = _mm512_maskz_mov_ps(lanes(i, columns), power);
            const __m512 change = _mm512_sub_ps(_mm512_loadu_ps(dp + i), mean);
            store_narrow(p + i, e);
            store_narrow(ds + i, _mm512_mul_ps(_mm512_mul_ps(e, factor), change));
        }
    }
}

#else

void rectifid_softmax_block(const float *s, float scale, uint16_t *p, float *top, float *sum, float *rescale, size_t rows,
                            size_t columns, size_t stride) {
    (void)s, (void)scale, (void)p, (void)top, (void)sum, (void)rescale, (void)rows, (void)columns, (void)stride;
    __builtin_trap();
}

void rectifid_softmax_block_gradient(const float *s, const float *dp, float scale, const float *lse, const float *delta,
                                     uint16_t *p, uint16_t *ds, size_t rows, size_t columns, size_t stride) {
    (void)s, (void)dp, (void)scale, (void)lse, (void)delta, (void)p, (void)ds, (void)rows, (void)columns, (void)stride;
    __builtin_trap();
}

#endif

#include "elementwise.h"
#include "number.h"
#include "vectorize.h"

#include <math.h>
#include <string.h>

#define BINARY_ROW(NAME, EXPRESSION)                                                                                   \
    RECTIFID_VECTORIZE static void NAME(const float *restrict a, ptrdiff_t step_a, const float *restrict b,            \
                                        ptrdiff_t step_b, float *restrict out, size_t n) {                             \
        if (step_a == 1 && step_b == 1) {                                                                              \
            for (size_t i = 0; i < n; i++) { const float x = a[i], y = b[i]; out[i] = EXPRESSION; }                    \
        } else if (step_a == 1) {                                                                                      \
            const float y = b[0];                                                                                      \
            for (size_t i = 0; i < n; i++) { const float x = a[i]; out[i] = EXPRESSION; }                              \
        } else if (step_b == 1) {                                                                                      \
            const float x = a[0];                                                                                      \
            for (size_t i = 0; i < n; i++) { const float y = b[i]; out[i] = EXPRESSION; }                              \
        } else {                                                                                                       \
            const float x = a[0], y = b[0], value = EXPRESSION;                                                        \
            for (size_t i = 0; i < n; i++) out[i] = value;                                                             \
        }                                                                                                              \
    }

BINARY_ROW(add_row, x + y)
BINARY_ROW(subtract_row, x - y)
BINARY_ROW(multiply_row, x * y)
BINARY_ROW(divide_row, x / y)

void rectifid_binary_row(rectifid_binary op, const float *a, ptrdiff_t step_a, const float *b, ptrdiff_t step_b,
                         float *out, size_t n) {
    switch (op) {
    case RECTIFID_ADD: add_row(a, step_a, b, step_b, out, n); break;
    case RECTIFID_SUBTRACT: subtract_row(a, step_a, b, step_b, out, n); break;
    case RECTIFID_MULTIPLY: multiply_row(a, step_a, b, step_b, out, n); break;
    case RECTIFID_DIVIDE: divide_row(a, step_a, b, step_b, out, n); break;
    }
}

RECTIFID_VECTORIZE
void rectifid_affine(const float *restrict x, float scale, float shift, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = scale * x[i] + shift;
}

RECTIFID_VECTORIZE
void rectifid_accumulate(const float *restrict x, float scale, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] += scale * x[i];
}

RECTIFID_VECTORIZE
void rectifid_scale_rows(float *restrict x, size_t stride, const float *restrict factors, size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, x += stride)
        for (size_t i = 0; i < c; i++) x[i] *= factors[r];
}

RECTIFID_VECTORIZE
void rectifid_clamp(const float *restrict x, float low, float high, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float raised = x[i] < low ? low : x[i];
        out[i] = raised > high ? high : raised;
    }
}

RECTIFID_VECTORIZE
void rectifid_clamp_gradient(const float *restrict x, const float *restrict dy, float low, float high,
                             float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (x[i] >= low && x[i] <= high) ? dy[i] : 0.0f;
}

RECTIFID_VECTORIZE
double rectifid_dot(const float *restrict a, const float *restrict b, size_t n) {
    RECTIFID_REASSOCIATE
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

RECTIFID_VECTORIZE
double rectifid_sum(const float *restrict x, size_t n) {
    RECTIFID_REASSOCIATE
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    return sum;
}

RECTIFID_VECTORIZE
void rectifid_absolute(const float *restrict x, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = fabsf(x[i]);
}

RECTIFID_VECTORIZE
void rectifid_absolute_gradient(const float *restrict x, const float *restrict dy, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = x[i] > 0 ? dy[i] : (x[i] < 0 ? -dy[i] : 0.0f);
}

// A binary16 exponent is rebased by multiplying with 2^112: it turns subnormal halves into normal floats with no
// branch, and only infinities and NaNs need their exponent filled in.
RECTIFID_VECTORIZE
void rectifid_widen_float16(const uint16_t *restrict x, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t half = x[i];
        const uint32_t sign = (half & 0x8000u) << 16;
        const uint32_t magnitude = (half & 0x7fffu) << 13;
        float value = float_of_bits(magnitude) * 0x1p112f;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        bits = (half & 0x7c00u) == 0x7c00u ? (magnitude | 0x7f800000u) : bits;
        out[i] = float_of_bits(bits | sign);
    }
}

RECTIFID_VECTORIZE
void rectifid_widen_bfloat16(const uint16_t *restrict x, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = widened(x[i]);
}

RECTIFID_VECTORIZE
void rectifid_narrow_bfloat16(const float *restrict x, uint16_t *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = narrowed(x[i]);
}

RECTIFID_VECTORIZE
void rectifid_add_bfloat16(const uint16_t *restrict a, const uint16_t *restrict b, uint16_t *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = narrowed(widened(a[i]) + widened(b[i]));
}

/// Arithmetic element by element, sums, and conversion of stored 16-bit numbers.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// How numbers lie in memory.
typedef enum { RECTIFID_FLOAT32, RECTIFID_BFLOAT16 } rectifid_format;

typedef enum { RECTIFID_ADD, RECTIFID_SUBTRACT, RECTIFID_MULTIPLY, RECTIFID_DIVIDE } rectifid_binary;

/// out[i] = a[i * step_a] OP b[i * step_b] for i < n; a step is 1 or 0 (one value for the whole row).
void rectifid_binary_row(rectifid_binary op, const float *a, ptrdiff_t step_a, const float *b, ptrdiff_t step_b,
                         float *out, size_t n);
/// out[i] = scale * x[i] + shift.
void rectifid_affine(const float *x, float scale, float shift, float *out, size_t n);
/// out[i] += scale * x[i].
void rectifid_accumulate(const float *x, float scale, float *out, size_t n);
/// x[r] *= factors[r] for rows of c numbers, `stride` apart.
void rectifid_scale_rows(float *x, size_t stride, const float *factors, size_t rows, size_t c);
/// out[i] = min(max(x[i], low), high).
void rectifid_clamp(const float *x, float low, float high, float *out, size_t n);
/// out[i] = dy[i] where low <= x[i] <= high, else 0 (PyTorch's convention: the gradient passes at the bounds).
void rectifid_clamp_gradient(const float *x, const float *dy, float low, float high, float *out, size_t n);
/// Sum of a[i] * b[i], accumulated in double.
double rectifid_dot(const float *a, const float *b, size_t n);
/// Sum of x[i], accumulated in double.
double rectifid_sum(const float *x, size_t n);
/// out[i] = |x[i]|.
void rectifid_absolute(const float *x, float *out, size_t n);
/// out[i] = dy[i] * sign(x[i]), with sign(0) = 0.
void rectifid_absolute_gradient(const float *x, const float *dy, float *out, size_t n);
/// IEEE 754 binary16 to float; exact.
void rectifid_widen_float16(const uint16_t *x, float *out, size_t n);
/// bfloat16 to float; exact.
void rectifid_widen_bfloat16(const uint16_t *x, float *out, size_t n);
/// float to bfloat16, to nearest, ties to even.
void rectifid_narrow_bfloat16(const float *x, uint16_t *out, size_t n);
/// out[i] = a[i] + b[i], rounded once.
void rectifid_add_bfloat16(const uint16_t *a, const uint16_t *b, uint16_t *out, size_t n);

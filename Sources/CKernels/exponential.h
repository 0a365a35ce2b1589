// The exponential of every kernel here, inlined so that each instruction-level clone vectorises its own copy.
#pragma once
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#define BINARY_LOGARITHM_OF_E 1.44269504088896341f

// exp(x) = 2^n exp(r), r = x - n ln 2 in two parts (Cody and Waite), a degree-6 polynomial for exp(r). Adding and taking
// away 1.5 * 2^23 rounds to the nearest integer without a conversion, which is what lets the loop vectorise: libm's expf
// is a call per element. Within 2 ulp on [-87, 88]; clamped outside, so it never gives infinity.
INLINE float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float shifted = x * BINARY_LOGARITHM_OF_E + 12582912.0f;
    const float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    union { float f; int32_t i; } bits = {.f = shifted}, scale;
    scale.i = (int32_t)((uint32_t)(bits.i - 0x4b400000 + 127) << 23);
    return p * scale.f;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }
INLINE float silu(float x) { return x * sigmoid(x); }
INLINE float silu_slope(float x) {
    const float s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}

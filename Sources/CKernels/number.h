// Numbers as kernels read and write them: bfloat16 is the upper half of a float32.
#pragma once
#include "elementwise.h"
#include "exponential.h"
#include <stdint.h>
#include <string.h>

INLINE float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE float widened(uint16_t half) { return float_of_bits((uint32_t)half << 16); }

// To nearest, ties to even; a NaN stays one, where rounding would carry it to infinity.
INLINE uint16_t narrowed(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded);
}

// Kernels of either format work on runs of at most this many numbers, widened into a buffer that stays in the first
// cache: one loop for both formats, at no cost beside the narrower traffic.
#define RUN 512

// `n` numbers from `at` on as floats: in place, or in `buffer`.
INLINE const float *read_run(const void *x, rectifid_format format, size_t at, size_t n, float *buffer) {
    if (format == RECTIFID_FLOAT32) return (const float *)x + at;
    const uint16_t *halves = (const uint16_t *)x + at;
    for (size_t i = 0; i < n; i++) buffer[i] = widened(halves[i]);
    return buffer;
}

// Where `n` floats are to be written: in place, or into `buffer`, which `write_run` then stores.
INLINE float *run_to_write(void *out, rectifid_format format, size_t at, float *buffer) {
    return format == RECTIFID_FLOAT32 ? (float *)out + at : buffer;
}

INLINE void write_run(void *out, rectifid_format format, size_t at, size_t n, const float *buffer) {
    if (format == RECTIFID_FLOAT32) return;
    uint16_t *halves = (uint16_t *)out + at;
    for (size_t i = 0; i < n; i++) halves[i] = narrowed(buffer[i]);
}

INLINE size_t run_length(size_t from, size_t end) { return end - from < RUN ? end - from : RUN; }

// Vectors of float32 numbers from and to bfloat16, for kernels that run on processors with AVX-512 BF16 only.
#pragma once
#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define NARROW __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define STEP static inline __attribute__((always_inline)) NARROW

STEP __m512 load_narrow(const uint16_t *x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x)), 16));
}

STEP void store_narrow(uint16_t *out, __m512 x) { _mm256_storeu_si256((__m256i *)out, (__m256i)_mm512_cvtneps_pbh(x)); }

// Two neighbours in every lane.
STEP __m512bh pair_of(const uint16_t *x) {
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

#endif

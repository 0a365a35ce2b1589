#include "include/peak.h"

#include "include/narrow_product.h"
#include "narrow_vectors.h"
#include "vectorize.h"

// Sums that do not wait for each other: as many as cover the latency of a product on any processor, and no more than
// there are registers.
#define PRODUCTS(VECTOR, SUMS, ZERO, STEP)                                                                             \
    VECTOR sums[SUMS];                                                                                                 \
    for (size_t i = 0; i < SUMS; i++) sums[i] = ZERO;                                                                  \
    for (size_t round = 0; round < rounds; round++) {                                                                  \
        _Pragma("clang loop unroll(full)") for (size_t i = 0; i < SUMS; i++) sums[i] = STEP;                           \
    }                                                                                                                  \
    for (size_t i = 1; i < SUMS; i++) sums[0] += sums[i];                                                              \
    volatile VECTOR sink = sums[0];                                                                                    \
    (void)sink;

#if defined(__x86_64__)

NARROW
static double narrow_products(size_t rounds) {
    const __m512bh one = (__m512bh)_mm512_set1_epi32(0x3f803f80);
    PRODUCTS(__m512, 24, _mm512_setzero_ps(), _mm512_dpbf16_ps(sums[i], one, one))
    return 64.0 * 24 * (double)rounds;
}

__attribute__((target("avx512f"))) static double wide_products(size_t rounds) {
    const __m512 half = _mm512_set1_ps(0.5f);
    PRODUCTS(__m512, 24, _mm512_setzero_ps(), _mm512_fmadd_ps(sums[i], half, half))
    return 32.0 * 24 * (double)rounds;
}

__attribute__((target("avx2,fma"))) static double fused_products(size_t rounds) {
    const __m256 half = _mm256_set1_ps(0.5f);
    PRODUCTS(__m256, 12, _mm256_setzero_ps(), _mm256_fmadd_ps(sums[i], half, half))
    return 16.0 * 12 * (double)rounds;
}

#endif

typedef float four __attribute__((vector_size(16)));

static double plain_products(size_t rounds) {
#pragma clang fp contract(fast)
    const four half = {0.5f, 0.5f, 0.5f, 0.5f}, zero = {0, 0, 0, 0};
    PRODUCTS(four, 12, zero, sums[i] * half + half)
    return 8.0 * 12 * (double)rounds;
}

double rectifid_peak_products(bool narrow, size_t rounds) {
#if defined(__x86_64__)
    if (narrow && rectifid_has_narrow_product()) return narrow_products(rounds);
    if (__builtin_cpu_supports("avx512f")) return wide_products(rounds);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return fused_products(rounds);
#else
    (void)narrow;
#endif
    return plain_products(rounds);
}

RECTIFID_VECTORIZE
uint64_t rectifid_peak_read(const uint64_t *words, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += words[i];
    return sum;
}

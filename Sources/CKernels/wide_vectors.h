// Vectors of float32 numbers, whatever the registers are: with AVX-512 a register holds sixteen, with AVX2 eight.
#pragma once
#include "exponential.h"
#include <stddef.h>

typedef float sixteen __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t sixteen_whole __attribute__((vector_size(64), aligned(4), may_alias));
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));

// 8 x 8 numbers, rows `from_stride` apart to rows `to_stride` apart.
INLINE void transpose_square(const float *from, size_t from_stride, float *to, size_t to_stride) {
    eight r[8], s[8];
    for (size_t i = 0; i < 8; i++) r[i] = *(const eight *)(from + i * from_stride);
    for (size_t i = 0; i < 8; i += 2) {
        s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (size_t i = 0; i < 8; i += 4)
        for (size_t j = 0; j < 2; j++) {
            r[i + 2 * j] = __builtin_shufflevector(s[i + j], s[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
            r[i + 2 * j + 1] = __builtin_shufflevector(s[i + j], s[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (size_t j = 0; j < 4; j++) {
        *(eight *)(to + j * to_stride) = __builtin_shufflevector(r[j], r[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        *(eight *)(to + (j + 4) * to_stride) = __builtin_shufflevector(r[j], r[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

#if defined(__x86_64__)
#define RECTIFID_TARGET_256 __attribute__((target("avx2,fma")))
#define RECTIFID_TARGET_512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#endif

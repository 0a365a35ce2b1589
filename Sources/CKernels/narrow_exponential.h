// Powers of two of vectors, for softmax; on processors with AVX-512 BF16 only.
#pragma once
#include "exponential.h"
#include "narrow_vectors.h"
#include <stddef.h>

#if defined(__x86_64__)

// 2^x, relative error below 4e-6, far below the rounding to bfloat16 that follows; zero in lanes that are not there. Zero
// far below zero, by itself.
STEP __m512 power_of_two(__m512 x, __mmask16 there) {
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = _mm512_sub_ps(x, whole);
    __m512 p = _mm512_set1_ps(0.00957010127f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0559178591f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.240247443f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693121791f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999999285f));
    return _mm512_maskz_scalef_ps(there, p, whole);
}

// The lanes of the vector at `column` that lie before `columns`.
STEP __mmask16 lanes(size_t column, size_t columns) {
    return columns - column >= 16 ? 0xffff : (__mmask16)((1u << (columns - column)) - 1);
}

#endif

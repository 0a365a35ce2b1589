#include "narrow_product.h"

#include <string.h>

static size_t pairs_of(size_t inner) { return (inner + 1) / 2; }
static size_t padded(size_t columns) { return (columns + 15) / 16 * 16; }
static size_t width_at(size_t column, size_t columns) {
    const size_t rest = padded(columns) - column;
    return rest < RECTIFID_PANEL ? rest : RECTIFID_PANEL;
}

size_t rectifid_packed_words(size_t inner, size_t columns) { return pairs_of(inner) * padded(columns); }

void rectifid_pack_transposed(const uint16_t *x, size_t stride, size_t columns, size_t inner, uint32_t *packed) {
    const size_t pairs = pairs_of(inner);
    for (size_t from = 0; from < padded(columns); from += RECTIFID_PANEL) {
        const size_t width = width_at(from, columns);
        uint32_t *panel = packed + from * pairs;
        for (size_t i = 0; i < width; i++) {
            const uint16_t *row = x + (from + i) * stride;
            for (size_t k = 0; k < pairs; k++) {
                const uint32_t low = from + i < columns ? row[2 * k] : 0;
                const uint32_t high = from + i < columns && 2 * k + 1 < inner ? row[2 * k + 1] : 0;
                panel[k * width + i] = low | high << 16;
            }
        }
    }
}

void rectifid_pack(const uint16_t *x, size_t stride, size_t inner, size_t columns, uint32_t *packed) {
    const size_t pairs = pairs_of(inner);
    for (size_t from = 0; from < padded(columns); from += RECTIFID_PANEL) {
        const size_t width = width_at(from, columns), there = columns - from < width ? columns - from : width;
        uint32_t *panel = packed + from * pairs;
        for (size_t k = 0; k < pairs; k++, panel += width) {
            const uint16_t *even = x + 2 * k * stride + from;
            if (2 * k + 1 < inner)
                for (size_t i = 0; i < there; i++) panel[i] = (uint32_t)even[i] | (uint32_t)even[stride + i] << 16;
            else
                for (size_t i = 0; i < there; i++) panel[i] = even[i];
            for (size_t i = there; i < width; i++) panel[i] = 0;
        }
    }
}

#if defined(__x86_64__)

#include <immintrin.h>

#define NARROW __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define TILE static inline __attribute__((always_inline)) NARROW

bool rectifid_has_narrow_product(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw")
           && __builtin_cpu_supports("avx512vl");
}

// `rows` x 16 `vectors` of C in registers: eight rows of three vectors leave room for three of B and one of A.
TILE void tile(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t pairs, float *c, size_t c_stride,
               bool accumulate, const int rows, const int vectors) {
    __m512 sums[8][3];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sums[r][v] = accumulate ? _mm512_loadu_ps(c + (size_t)r * c_stride + 16 * (size_t)v) : _mm512_setzero_ps();
    for (size_t k = 0; k < pairs; k++, b += 16 * vectors) {
        __m512bh right[3];
        for (int v = 0; v < vectors; v++) right[v] = (__m512bh)_mm512_loadu_si512(b + 16 * v);
        for (int r = 0; r < rows; r++) {
            int32_t pair;
            memcpy(&pair, a + (size_t)r * a_stride + 2 * k, sizeof pair);
            const __m512bh left = (__m512bh)_mm512_set1_epi32(pair);
            for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], left, right[v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(c + (size_t)r * c_stride + 16 * (size_t)v, sums[r][v]);
}

// All rows against one panel of a width known when this is compiled.
TILE void panel(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t pairs, float *c, size_t c_stride,
                size_t rows, bool accumulate, const int vectors) {
    size_t r = 0;
    for (; r + 8 <= rows; r += 8)
        tile(a + r * a_stride, a_stride, b, pairs, c + r * c_stride, c_stride, accumulate, 8, vectors);
    for (; r + 4 <= rows; r += 4)
        tile(a + r * a_stride, a_stride, b, pairs, c + r * c_stride, c_stride, accumulate, 4, vectors);
    for (; r < rows; r++)
        tile(a + r * a_stride, a_stride, b, pairs, c + r * c_stride, c_stride, accumulate, 1, vectors);
}

NARROW
void rectifid_narrow_product(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t all_pairs,
                             size_t first_pair, size_t pairs, size_t first_column, float *c, size_t c_stride,
                             size_t rows, size_t columns, bool accumulate) {
    b += first_column * all_pairs;
    for (size_t from = 0; from < columns; from += RECTIFID_PANEL) {
        const size_t width = width_at(from, columns);
        const uint32_t *right = b + from * all_pairs + first_pair * width;
        switch (width) {
        case 48: panel(a, a_stride, right, pairs, c + from, c_stride, rows, accumulate, 3); break;
        case 32: panel(a, a_stride, right, pairs, c + from, c_stride, rows, accumulate, 2); break;
        default: panel(a, a_stride, right, pairs, c + from, c_stride, rows, accumulate, 1); break;
        }
    }
}

#else

bool rectifid_has_narrow_product(void) { return false; }

void rectifid_narrow_product(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t all_pairs,
                             size_t first_pair, size_t pairs, size_t first_column, float *c, size_t c_stride,
                             size_t rows, size_t columns, bool accumulate) {
    (void)a, (void)a_stride, (void)b, (void)all_pairs, (void)first_pair, (void)pairs, (void)first_column, (void)c;
    (void)c_stride, (void)rows, (void)columns, (void)accumulate;
    __builtin_trap();
}

#endif

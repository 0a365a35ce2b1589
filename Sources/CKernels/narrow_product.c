#include "narrow_factor.h"
#include "narrow_vectors.h"

#if defined(__x86_64__)

bool rectifid_has_narrow_product(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw")
           && __builtin_cpu_supports("avx512vl");
}

// `rows` x 16 `vectors` of C in registers: eight rows of three vectors leave room for three of B and one of A.
STEP void tile(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t pairs, float *c, size_t c_stride,
               bool accumulate, const int rows, const int vectors) {
    __m512 sums[8][3];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sums[r][v] = accumulate ? _mm512_loadu_ps(c + (size_t)r * c_stride + 16 * (size_t)v) : _mm512_setzero_ps();
    for (size_t k = 0; k < pairs; k++, b += 16 * vectors) {
        __m512bh right[3];
        for (int v = 0; v < vectors; v++) right[v] = (__m512bh)_mm512_loadu_si512(b + 16 * v);
        for (int r = 0; r < rows; r++) {
            const __m512bh left = pair_of(a + (size_t)r * a_stride + 2 * k);
            for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], left, right[v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(c + (size_t)r * c_stride + 16 * (size_t)v, sums[r][v]);
}

// All rows against one panel of a width known when this is compiled.
STEP void panel(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t pairs, float *c, size_t c_stride,
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
        const size_t width = panel_width(from, columns);
        const uint32_t *right = b + from * all_pairs + first_pair * width;
        switch (width) {
        case 48: panel(a, a_stride, right, pairs, c + from, c_stride, rows, accumulate, 3); break;
        case 32: panel(a, a_stride, right, pairs, c + from, c_stride, rows, accumulate, 2); break;
        default: panel(a, a_stride, right, pairs, c + from, c_stride, rows, accumulate, 1); break;
        }
    }
}

// Rows whose numbers stay in the second cache while panels go by.
static size_t row_block(size_t inner) {
    const size_t rows = (384 << 10) / (2 * inner) / 8 * 8;
    return rows < 32 ? 32 : rows > RECTIFID_LINEAR_ROWS ? RECTIFID_LINEAR_ROWS : rows;
}

NARROW
static void write_rows(const float *sums, const float *bias, void *out, bool narrow, size_t at, size_t stride,
                       size_t rows, size_t width) {
    for (size_t c = 0; c < width; c += 16) {
        const __m512 shift = bias ? _mm512_loadu_ps(bias + c) : _mm512_setzero_ps();
        for (size_t r = 0; r < rows; r++) {
            const __m512 sum = _mm512_add_ps(_mm512_loadu_ps(sums + r * RECTIFID_PANEL + c), shift);
            if (narrow) store_narrow((uint16_t *)out + at + r * stride + c, sum);
            else _mm512_storeu_ps((float *)out + at + r * stride + c, sum);
        }
    }
}

void rectifid_narrow_linear(const uint16_t *x, size_t inner, const uint32_t *matrix, size_t outputs, const float *bias,
                            void *out, bool narrow, size_t first_row, size_t last_row, size_t first_panel,
                            size_t last_panel, float *scratch) {
    const size_t block = row_block(inner), pairs = pairs_of(inner);
    for (size_t row = first_row; row < last_row; row += block) {
        const size_t rows = last_row - row < block ? last_row - row : block;
        for (size_t panel = first_panel; panel < last_panel; panel++) {
            const size_t column = panel * RECTIFID_PANEL, width = panel_width(column, outputs);
            rectifid_narrow_product(x + row * inner, inner, matrix, pairs, 0, pairs, column, scratch, RECTIFID_PANEL, rows,
                                    width, false);
            write_rows(scratch, bias ? bias + column : NULL, out, narrow, row * outputs + column, outputs, rows, width);
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

void rectifid_narrow_linear(const uint16_t *x, size_t inner, const uint32_t *matrix, size_t outputs, const float *bias,
                            void *out, bool narrow, size_t first_row, size_t last_row, size_t first_panel,
                            size_t last_panel, float *scratch) {
    (void)x, (void)inner, (void)matrix, (void)outputs, (void)bias, (void)out, (void)narrow, (void)first_row;
    (void)last_row, (void)first_panel, (void)last_panel, (void)scratch;
    __builtin_trap();
}

#endif

#include "fetching.h"
#include "narrow_factor.h"
#include "narrow_vectors.h"

#if defined(__x86_64__)

bool rectifid_has_narrow_product(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw")
           && __builtin_cpu_supports("avx512vl");
}

// Sums of some rows and columns; where `half`, the last vector has eight columns.
STEP __m512 load_sums(const float *c, const bool half) {
    return half ? _mm512_castps256_ps512(_mm256_loadu_ps(c)) : _mm512_loadu_ps(c);
}

STEP void store_sums(float *c, __m512 sums, const bool half) {
    if (half) _mm256_storeu_ps(c, _mm512_castps512_ps256(sums));
    else _mm512_storeu_ps(c, sums);
}

STEP __m512 add_products(__m512 sums, __m512i left, __m512i right, const bool half) {
    if (!half) return _mm512_dpbf16_ps(sums, (__m512bh)left, (__m512bh)right);
    return _mm512_castps256_ps512(_mm256_dpbf16_ps(_mm512_castps512_ps256(sums), (__m256bh)_mm512_castsi512_si256(left),
                                                   (__m256bh)_mm512_castsi512_si256(right)));
}

STEP void step(const uint16_t *a, size_t a_stride, const uint32_t *b, __m512 sums[8][3], const int rows, const int vectors,
               const bool half) {
    __m512i right[3];
    for (int v = 0; v < vectors; v++)
        right[v] = (__m512i)load_sums((const float *)(b + 16 * v), half && v == vectors - 1);
    for (int r = 0; r < rows; r++) {
        const __m512i left = (__m512i)pair_of(a + (size_t)r * a_stride);
        for (int v = 0; v < vectors; v++)
            sums[r][v] = add_products(sums[r][v], left, right[v], half && v == vectors - 1);
    }
}

// `rows` x 16 `vectors` of sums in registers: eight rows of three vectors leave room for three of B and one of A.
STEP void add_pairs(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t pairs, __m512 sums[8][3], fetching *f,
                    const int rows, const int vectors, const bool half) {
    size_t k = 0;
    const char *from = NULL;
    for (const size_t end = f->each < pairs ? f->each : pairs; k < end;) {
        const size_t lines = take_lines(f, end - k, &from);
        if (lines == 0) break;
        for (const size_t stop = k + lines; k < stop; k++, b += 16 * vectors, from += 64) {
            _mm_prefetch(from, _MM_HINT_T1);
            step(a + 2 * k, a_stride, b, sums, rows, vectors, half);
        }
    }
    for (; k < pairs; k++, b += 16 * vectors) step(a + 2 * k, a_stride, b, sums, rows, vectors, half);
}

STEP void tile(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t pairs, float *c, size_t c_stride,
               bool accumulate, fetching *f, const int rows, const int vectors, const bool half) {
    __m512 sums[8][3];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            const float *from = c + (size_t)r * c_stride + 16 * (size_t)v;
            sums[r][v] = accumulate ? load_sums(from, half && v == vectors - 1) : _mm512_setzero_ps();
        }
    add_pairs(a, a_stride, b, pairs, sums, f, rows, vectors, half);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            store_sums(c + (size_t)r * c_stride + 16 * (size_t)v, sums[r][v], half && v == vectors - 1);
}

// All rows against one panel of a width known when this is compiled.
STEP void panel(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t pairs, float *c, size_t c_stride,
                size_t rows, bool accumulate, fetching *f, const int vectors, const bool half) {
    size_t r = 0;
    for (; r + 8 <= rows; r += 8)
        tile(a + r * a_stride, a_stride, b, pairs, c + r * c_stride, c_stride, accumulate, f, 8, vectors, half);
    for (; r + 4 <= rows; r += 4)
        tile(a + r * a_stride, a_stride, b, pairs, c + r * c_stride, c_stride, accumulate, f, 4, vectors, half);
    for (; r < rows; r++)
        tile(a + r * a_stride, a_stride, b, pairs, c + r * c_stride, c_stride, accumulate, f, 1, vectors, half);
}

NARROW
void rectifid_narrow_product(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t all_pairs,
                             size_t first_pair, size_t pairs, size_t first_column, float *c, size_t c_stride,
                             size_t rows, size_t columns, bool accumulate, const rectifid_ahead *ahead) {
    const size_t tiles = (rows + 7) / 8 * ((columns + RECTIFID_PANEL - 1) / RECTIFID_PANEL);
    fetching f = fetching_ahead(ahead, tiles);
    b += first_column * all_pairs;
    for (size_t from = 0; from < columns; from += RECTIFID_PANEL) {
        const size_t width = panel_width(from, columns);
        const uint32_t *right = b + from * all_pairs + first_pair * width;
        float *to = c + from;
        // In eights, as many as are asked for.
        switch (columns - from >= width ? width / 8 : (columns - from + 7) / 8) {
        case 6: panel(a, a_stride, right, pairs, to, c_stride, rows, accumulate, &f, 3, false); break;
        case 5: panel(a, a_stride, right, pairs, to, c_stride, rows, accumulate, &f, 3, true); break;
        case 4: panel(a, a_stride, right, pairs, to, c_stride, rows, accumulate, &f, 2, false); break;
        case 3: panel(a, a_stride, right, pairs, to, c_stride, rows, accumulate, &f, 2, true); break;
        case 2: panel(a, a_stride, right, pairs, to, c_stride, rows, accumulate, &f, 1, false); break;
        default: panel(a, a_stride, right, pairs, to, c_stride, rows, accumulate, &f, 1, true); break;
        }
    }
}

// Rows whose numbers stay in the second cache while panels go by.
static size_t row_block(size_t inner) {
    const size_t rows = (384 << 10) / (2 * inner) / 8 * 8;
    return rows < 32 ? 32 : rows > 256 ? 256 : rows;
}

// What a linear map writes, and where its next tile begins.
typedef struct {
    void *out;
    const float *bias; // of the panel; NULL for none
    bool narrow;
    size_t at, stride;
} linear_result;

STEP void linear_tile(const uint16_t *x, size_t inner, const uint32_t *b, const linear_result *to, size_t row,
                      const int rows, const int vectors) {
    __m512 sums[8][3];
    for (int v = 0; v < vectors; v++) {
        const __m512 bias = to->bias ? _mm512_loadu_ps(to->bias + 16 * v) : _mm512_setzero_ps();
        for (int r = 0; r < rows; r++) sums[r][v] = bias;
    }
    fetching nothing = {0};
    add_pairs(x + row * inner, inner, b, pairs_of(inner), sums, &nothing, rows, vectors, false);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            const size_t at = to->at + (row + (size_t)r) * to->stride + 16 * (size_t)v;
            if (to->narrow) store_narrow((uint16_t *)to->out + at, sums[r][v]);
            else _mm512_storeu_ps((float *)to->out + at, sums[r][v]);
        }
}

STEP void linear_panel(const uint16_t *x, size_t inner, const uint32_t *b, const linear_result *to, size_t row,
                       size_t last, const int vectors) {
    for (; row + 8 <= last; row += 8) linear_tile(x, inner, b, to, row, 8, vectors);
    for (; row + 4 <= last; row += 4) linear_tile(x, inner, b, to, row, 4, vectors);
    for (; row < last; row++) linear_tile(x, inner, b, to, row, 1, vectors);
}

NARROW
void rectifid_narrow_linear(const uint16_t *x, size_t inner, const uint32_t *matrix, size_t outputs, const float *bias,
                            void *out, bool narrow, size_t first_row, size_t last_row, size_t first_panel,
                            size_t last_panel) {
    const size_t block = row_block(inner), pairs = pairs_of(inner);
    for (size_t row = first_row; row < last_row; row += block) {
        const size_t last = last_row - row < block ? last_row : row + block;
        for (size_t panel = first_panel; panel < last_panel; panel++) {
            const size_t column = panel * RECTIFID_PANEL;
            const linear_result to = {out, bias ? bias + column : NULL, narrow, column, outputs};
            const uint32_t *b = matrix + column * pairs;
            switch (panel_width(column, outputs)) {
            case 48: linear_panel(x, inner, b, &to, row, last, 3); break;
            case 32: linear_panel(x, inner, b, &to, row, last, 2); break;
            default: linear_panel(x, inner, b, &to, row, last, 1); break;
            }
        }
    }
}

#else

bool rectifid_has_narrow_product(void) { return false; }

void rectifid_narrow_product(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t all_pairs,
                             size_t first_pair, size_t pairs, size_t first_column, float *c, size_t c_stride,
                             size_t rows, size_t columns, bool accumulate, const rectifid_ahead *ahead) {
    (void)a, (void)a_stride, (void)b, (void)all_pairs, (void)first_pair, (void)pairs, (void)first_column, (void)c;
    (void)c_stride, (void)rows, (void)columns, (void)accumulate, (void)ahead;
    __builtin_trap();
}

void rectifid_narrow_linear(const uint16_t *x, size_t inner, const uint32_t *matrix, size_t outputs, const float *bias,
                            void *out, bool narrow, size_t first_row, size_t last_row, size_t first_panel,
                            size_t last_panel) {
    (void)x, (void)inner, (void)matrix, (void)outputs, (void)bias, (void)out, (void)narrow, (void)first_row;
    (void)last_row, (void)first_panel, (void)last_panel;
    __builtin_trap();
}

#endif

#include "wide_product.h"
#include "fetching.h"
#include "narrow_factor.h"
#include "vectorize.h"
#include "wide_vectors.h"

size_t rectifid_wide_numbers(size_t inner, size_t columns) { return inner * padded_columns(columns); }

INLINE void step(const float *a, size_t a_stride, const float *b, sixteen sums[8][3], const int rows, const int vectors) {
#pragma clang fp contract(fast)
    sixteen right[3];
    for (int v = 0; v < vectors; v++) right[v] = *(const sixteen *)(b + 16 * v);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) sums[r][v] += a[(size_t)r * a_stride] * right[v];
}

// `rows` x 16 `vectors` of C in registers.
INLINE void tile(const float *a, size_t a_stride, const float *b, size_t width, size_t inner, float *c, size_t c_stride,
                 bool accumulate, fetching *f, const int rows, const int vectors) {
    sixteen sums[8][3];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) sums[r][v] = (sixteen){0};
    size_t k = 0;
    const char *from = NULL;
    for (const size_t end = f->each < inner ? f->each : inner; k < end;) {
        const size_t lines = take_lines(f, end - k, &from);
        if (lines == 0) break;
        for (const size_t stop = k + lines; k < stop; k++, from += 64) {
            __builtin_prefetch(from, 0, 2);
            step(a + k, a_stride, b + k * width, sums, rows, vectors);
        }
    }
#pragma clang loop unroll_count(2)
    for (; k < inner; k++) step(a + k, a_stride, b + k * width, sums, rows, vectors);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            sixteen *at = (sixteen *)(c + (size_t)r * c_stride + 16 * (size_t)v);
            *at = accumulate ? *at + sums[r][v] : sums[r][v];
        }
}

// All rows against some columns of a panel, `most` rows at a time.
INLINE void strip(const float *a, size_t a_stride, const float *b, size_t width, size_t inner, float *c, size_t c_stride,
                  size_t rows, bool accumulate, fetching *f, const int most, const int vectors) {
    size_t r = 0;
#define TILES(count)                                                                                                   \
    for (; r + (count) <= rows; r += (count))                                                                          \
        tile(a + r * a_stride, a_stride, b, width, inner, c + r * c_stride, c_stride, accumulate, f, count, vectors);
    if (most == 8) { TILES(8) } else { TILES(6) }
    TILES(4)
    TILES(2)
    TILES(1)
#undef TILES
}

// Panels of 48 columns at once need 24 sums in registers, which AVX-512 has; elsewhere columns go by sixteens.
#define PRODUCT(name, target)                                                                                          \
    target static void name(const float *a, size_t a_stride, const float *b, size_t inner, float *c, size_t c_stride,  \
                            size_t rows, size_t width, bool accumulate, const rectifid_ahead *ahead)

#define BY_SIXTEENS                                                                                                    \
    fetching f = fetching_ahead(ahead, (rows + 5) / 6 * width / 16);                                                   \
    for (size_t v = 0; v < width; v += 16)                                                                             \
        strip(a, a_stride, b + v, width, inner, c + v, c_stride, rows, accumulate, &f, 6, 1);

#if defined(__x86_64__)

PRODUCT(product_512, RECTIFID_TARGET_512) {
    fetching f = fetching_ahead(ahead, (rows + 7) / 8);
    switch (width) {
    case 48: strip(a, a_stride, b, 48, inner, c, c_stride, rows, accumulate, &f, 8, 3); break;
    case 32: strip(a, a_stride, b, 32, inner, c, c_stride, rows, accumulate, &f, 8, 2); break;
    default: strip(a, a_stride, b, 16, inner, c, c_stride, rows, accumulate, &f, 8, 1); break;
    }
}

PRODUCT(product_256, RECTIFID_TARGET_256) { BY_SIXTEENS }

#endif

PRODUCT(product_default, ) { BY_SIXTEENS }

void rectifid_wide_product(const float *a, size_t a_stride, const float *b, size_t inner, float *c, size_t c_stride,
                           size_t rows, size_t width, bool accumulate, const rectifid_ahead *ahead) {
    switch (rectifid_wide_level_here()) {
#if defined(__x86_64__)
    case RECTIFID_WIDE_AVX512:
        return product_512(a, a_stride, b, inner, c, c_stride, rows, width, accumulate, ahead);
    case RECTIFID_WIDE_AVX2: return product_256(a, a_stride, b, inner, c, c_stride, rows, width, accumulate, ahead);
#endif
    default: return product_default(a, a_stride, b, inner, c, c_stride, rows, width, accumulate, ahead);
    }
}

RECTIFID_VECTORIZE
void rectifid_wide_pack(const float *x, size_t stride, size_t columns, size_t inner, float *packed) {
    for (size_t from = 0; from < columns; from += RECTIFID_PANEL) {
        const size_t width = panel_width(from, columns);
        for (size_t i = 0; i < width; i += 8)
            for (size_t k = 0; k < inner; k += 8)
                transpose_square(x + (from + i) * stride + k, stride, packed + from * inner + k * width + i, width);
    }
}

RECTIFID_VECTORIZE
void rectifid_wide_transpose(const float *packed, size_t inner, size_t columns, size_t first_row, size_t width,
                             size_t first_column, size_t count, float *transposed) {
    for (size_t i = 0; i < count; i += 8) {
        const size_t column = first_column + i, panel = column / RECTIFID_PANEL * RECTIFID_PANEL;
        const size_t stride = panel_width(panel, columns);
        const float *rows = packed + panel * inner + first_row * stride + column % RECTIFID_PANEL;
        for (size_t r = 0; r < width; r += 8)
            transpose_square(rows + r * stride, stride, transposed + i * width + r, width);
    }
}

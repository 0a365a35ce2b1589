#include "wide_kernels.h"
#include "wide_product.h"
#include "wide_vectors.h"

// Keeps a compiler from knowing that a pointer lies at some distance from another: it would hold eight distances in registers,
// more than there are, where two pointers and the multiples of one distance that an address can have are enough.
#if defined(__x86_64__)
#define KEEP_APART(pointer) __asm__("" : "+r"(pointer))
#else
#define KEEP_APART(pointer) ((void)0)
#endif

// Sums of some rows; of the last vector perhaps only eight columns.
typedef struct {
    sixteen full[8][3];
    eight half[8];
} tile_sums;

INLINE void clear_sums(tile_sums *sums, const int rows, const int vectors, const bool half) {
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < vectors; v++) sums->full[r][v] = (sixteen){0};
        if (half) sums->half[r] = (eight){0};
    }
}

// A step of the first four rows and of the others.
typedef struct {
    const float *first, *others;
} tile_rows;

INLINE void add_step(const tile_rows *a, size_t a_row, const float *b, tile_sums *sums, const int rows,
                     const int vectors, const bool half) {
#pragma clang fp contract(fast)
    sixteen right[3];
    eight last;
    for (int v = 0; v < vectors; v++) right[v] = *(const sixteen *)(b + 16 * v);
    if (half) last = *(const eight *)(b + 16 * vectors);
    for (int r = 0; r < rows; r++) {
        const float left = r < 4 ? a->first[(size_t)r * a_row] : a->others[(size_t)(r - 4) * a_row];
        for (int v = 0; v < vectors; v++) sums->full[r][v] += left * right[v];
        if (half) sums->half[r] += left * last;
    }
}

INLINE void write_sums(const tile_sums *sums, float *c, size_t c_row, bool accumulate, const int rows, const int vectors,
                       const bool half) {
    for (int r = 0; r < rows; r++, c += c_row) {
        for (int v = 0; v < vectors; v++) {
            sixteen *at = (sixteen *)(c + 16 * v);
            *at = accumulate ? *at + sums->full[r][v] : sums->full[r][v];
        }
        if (half) {
            eight *at = (eight *)(c + 16 * vectors);
            *at = accumulate ? *at + sums->half[r] : sums->half[r];
        }
    }
}

INLINE void tile(const wide_operands *x, size_t row, size_t column, const bool transposed, const int rows,
                 const int vectors, const bool half) {
    const size_t a_row = transposed ? 1 : x->a_row, a_step = transposed ? x->a_step : 1, b_step = x->b_step;
    const float *b = x->b + column;
    tile_rows a = {.first = x->a + row * a_row};
    a.others = a.first + (rows > 4 ? 4 * a_row : 0);
    tile_sums sums;
    clear_sums(&sums, rows, vectors, half);
    for (size_t k = x->inner; k > 0; k--, a.first += a_step, a.others += a_step, b += b_step) {
        KEEP_APART(a.others);
        add_step(&a, a_row, b, &sums, rows, vectors, half);
    }
    write_sums(&sums, x->c + row * x->c_row + column, x->c_row, x->accumulate, rows, vectors, half);
}

// All rows of some columns, `most` at a time.
INLINE void strip(const wide_operands *x, size_t column, const bool transposed, const int most, const int vectors,
                  const bool half) {
    size_t r = 0;
    if (most == 8)
        for (; r + 8 <= x->rows; r += 8) tile(x, r, column, transposed, 8, vectors, half);
    else
        for (; r + 6 <= x->rows; r += 6) tile(x, r, column, transposed, 6, vectors, half);
    for (; r + 4 <= x->rows; r += 4) tile(x, r, column, transposed, 4, vectors, half);
    for (; r + 2 <= x->rows; r += 2) tile(x, r, column, transposed, 2, vectors, half);
    for (; r < x->rows; r++) tile(x, r, column, transposed, 1, vectors, half);
}

#if defined(__x86_64__)

// AVX-512 holds eight rows of three vectors.
INLINE void multiply_by_threes(const wide_operands *x, const bool transposed) {
    for (size_t column = 0; column < x->columns;) {
        const size_t vectors = wide_vectors_of((x->columns - column + 15) / 16), end = column + 16 * vectors;
        switch (vectors * 2 - (end > x->columns)) {
        case 1: strip(x, column, transposed, 8, 0, true); break;
        case 2: strip(x, column, transposed, 8, 1, false); break;
        case 3: strip(x, column, transposed, 8, 1, true); break;
        case 4: strip(x, column, transposed, 8, 2, false); break;
        case 5: strip(x, column, transposed, 8, 2, true); break;
        default: strip(x, column, transposed, 8, 3, false); break;
        }
        column = end;
    }
}

#endif

// Other registers hold six rows of sixteen columns.
INLINE void multiply_by_ones(const wide_operands *x, const bool transposed) {
    size_t column = 0;
    for (; column + 16 <= x->columns; column += 16) strip(x, column, transposed, 6, 1, false);
    if (column < x->columns) strip(x, column, transposed, 6, 0, true);
}

INLINE void keep_larger(sixteen *a, const sixteen *b) {
    const sixteen_whole larger = *b > *a;
    *a = (sixteen)((larger & (sixteen_whole)*b) | (~larger & (sixteen_whole)*a));
}

// 2^x for x up to 127, relative error below 1.2e-7; 2^-126 of anything less, since the exponent is added to the number's
// bits. A NaN stays one.
INLINE void raise_two(sixteen *x) {
#pragma clang fp contract(fast)
    const sixteen least = (sixteen){0} - 126.0f;
    keep_larger(x, &least);
    // Adding 1.5 * 2^23 rounds to the nearest whole number, which is then in the lowest bits.
    const sixteen shifted = *x + 12582912.0f, f = *x - (shifted - 12582912.0f);
    sixteen p = f * 1.535336188319500e-4f + 1.339887440266574e-3f;
    p = p * f + 9.618437357674640e-3f;
    p = p * f + 5.550332471162809e-2f;
    p = p * f + 2.402264791363012e-1f;
    p = p * f + 6.931472028550421e-1f;
    p = p * f + 1.0f;
    *x = (sixteen)((sixteen_whole)p + ((sixteen_whole)shifted << 23));
}

INLINE float highest_of(const float *s, size_t columns) {
    sixteen highest[2] = {*(const sixteen *)s, *(const sixteen *)s};
    size_t i = 16;
    for (; i + 32 <= columns; i += 32) {
        keep_larger(&highest[0], (const sixteen *)(s + i));
        keep_larger(&highest[1], (const sixteen *)(s + i + 16));
    }
    for (; i < columns; i += 16) keep_larger(&highest[0], (const sixteen *)(s + i));
    keep_larger(&highest[0], &highest[1]);
    float result = highest[0][0];
    for (int i = 1; i < 16; i++) result = highest[0][i] > result ? highest[0][i] : result;
    return result;
}

INLINE void fill_room(const wide_scores *s, float number) {
    for (size_t r = 0; r < s->rows; r++)
        for (size_t i = s->columns; i % 16; i++) s->numbers[r * s->stride + i] = number;
}

INLINE void soften(const wide_scores *x, float *top, float *sum, float *rescale) {
    fill_room(x, -3e38f);
    for (size_t r = 0; r < x->rows; r++) {
        float *s = x->numbers + r * x->stride;
        const float block = highest_of(s, x->columns), highest = block > top[r] ? block : top[r];
        sixteen total = {0}, fall = (sixteen){0} + (top[r] - highest);
        for (size_t i = 0; i < x->columns; i += 16) {
            sixteen power = *(const sixteen *)(s + i) - highest;
            raise_two(&power);
            total += power;
            *(sixteen *)(s + i) = power;
        }
        raise_two(&fall);
        float added = 0;
        for (int i = 0; i < 16; i++) added += total[i];
        rescale[r] = fall[0];
        sum[r] = sum[r] * rescale[r] + added;
        top[r] = highest;
    }
}

INLINE void rebuild(const wide_scores *x, const float *logarithm) {
    for (size_t r = 0; r < x->rows; r++) {
        float *s = x->numbers + r * x->stride;
        for (size_t i = 0; i < x->columns; i += 16) {
            sixteen power = *(const sixteen *)(s + i) - logarithm[r];
            raise_two(&power);
            *(sixteen *)(s + i) = power;
        }
    }
    fill_room(x, 0);
}

INLINE void slope(const wide_scores *x, const float *p, const float *delta) {
    for (size_t r = 0; r < x->rows; r++)
        for (size_t i = 0; i < x->columns; i += 16) {
            sixteen *g = (sixteen *)(x->numbers + r * x->stride + i);
            *g = *(const sixteen *)(p + r * x->stride + i) * (*g - delta[r]);
        }
}

#define LEVEL(level, target, multiply_by, most)                                                                        \
    target static void multiply_##level(const wide_operands *x) {                                                      \
        if (x->a_step == 1) multiply_by(x, false);                                                                     \
        else multiply_by(x, true);                                                                                     \
    }                                                                                                                  \
    target static void soften_##level(const wide_scores *s, float *top, float *sum, float *rescale) {                  \
        soften(s, top, sum, rescale);                                                                                  \
    }                                                                                                                  \
    target static void rebuild_##level(const wide_scores *s, const float *logarithm) { rebuild(s, logarithm); }        \
    target static void slope_##level(const wide_scores *s, const float *p, const float *delta) { slope(s, p, delta); } \
    static const wide_kernels kernels_##level = {                                                                      \
        .rows = most,                                                                                                  \
        .multiply = multiply_##level,                                                                                  \
        .soften = soften_##level,                                                                                      \
        .rebuild = rebuild_##level,                                                                                    \
        .slope = slope_##level,                                                                                        \
    };

LEVEL(portable, , multiply_by_ones, 6)
#if defined(__x86_64__)
LEVEL(256, RECTIFID_TARGET_256, multiply_by_ones, 6)
LEVEL(512, RECTIFID_TARGET_512, multiply_by_threes, 8)
#endif

const wide_kernels *wide_kernels_here(void) {
    switch (rectifid_wide_level_here()) {
#if defined(__x86_64__)
    case RECTIFID_WIDE_AVX512: return &kernels_512;
    case RECTIFID_WIDE_AVX2: return &kernels_256;
#endif
    default: return &kernels_portable;
    }
}

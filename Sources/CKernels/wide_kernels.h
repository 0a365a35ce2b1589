// What attention and linear maps in float32 are made of, compiled once per instruction level.
#pragma once
#include <stdbool.h>
#include <stddef.h>

// C[rows, columns] (+)= A B: numbers of A lie at a[row * a_row + k * a_step], where one of the two strides is 1, rows of B
// are `b_step` apart, rows of C `c_row`. Columns are a multiple of 8. Sums stay in registers for all of `inner`.
typedef struct {
    const float *a;
    size_t a_row, a_step;
    const float *b;
    size_t b_step;
    float *c;
    size_t c_row;
    size_t rows, columns, inner;
    bool accumulate;
} wide_operands;

// Rows of scores in the unit of the binary logarithm, `stride` apart, with room up to a multiple of 16 columns.
typedef struct {
    float *numbers;
    size_t stride, rows, columns;
} wide_scores;

typedef struct {
    // Rows that registers hold: what products should be cut into.
    size_t rows;
    void (*multiply)(const wide_operands *x);
    // s = 2^(s - top); `top` and `sum` of all columns so far go on, and what is made of those before is to be multiplied by
    // `rescale`.
    void (*soften)(const wide_scores *s, float *top, float *sum, float *rescale);
    // s = 2^(s - logarithm), zero in the room beside.
    void (*rebuild)(const wide_scores *s, const float *logarithm);
    // slopes = p * (slopes - delta).
    void (*slope)(const wide_scores *slopes, const float *p, const float *delta);
} wide_kernels;

// Those of the level of this thread.
const wide_kernels *wide_kernels_here(void);

// Vectors of sixteen columns that are computed together, of `rest` that are left: three, but of four two, since one alone
// loads more than it multiplies.
static inline size_t wide_vectors_of(size_t rest) { return rest == 4 ? 2 : rest < 3 ? rest : 3; }

#include "wide_attention.h"
#include "wide_attention_parts.h"

// With P the softmax, dP = dO V^T, delta = rowsum(dO * O), dS = scale P (dP - delta): dQ = dS K, dK = dS^T Q, dV = P^T dO.
// Keys are the outer loop: sums of their derivatives stay in the second cache. The scale is left out of dS; dQ is multiplied
// by it in the end, and Q, which dK is made of, is multiplied by it before, for the scores.

// Queries of a block.
#define QUERIES 128
#define KEYS RECTIFID_ATTENTION_KEYS

typedef struct {
    float *q, *dy, *logarithms, *delta, *probabilities, *slopes;
    float *transposed_keys, *transposed_values, *keys, *key_sums, *value_sums;
} workplace;

static size_t arrange(size_t queries, size_t size, float *scratch, workplace *w) {
    const size_t rows = QUERIES * padded_columns(size), columns = KEYS * padded_columns(size);
    w->q = scratch;
    w->dy = w->q + rows;
    w->logarithms = w->dy + rows;
    w->probabilities = w->logarithms + QUERIES;
    w->slopes = w->probabilities + QUERIES * KEYS;
    w->transposed_keys = w->slopes + QUERIES * KEYS;
    w->transposed_values = w->transposed_keys + columns;
    w->keys = w->transposed_values + columns;
    w->key_sums = w->keys + columns;
    w->value_sums = w->key_sums + columns;
    w->delta = w->value_sums + columns;
    return (size_t)(w->delta + queries - scratch);
}

size_t rectifid_wide_attention_gradient_numbers(size_t queries, size_t size) {
    float none[1];
    workplace w;
    return arrange(queries, size, none, &w);
}

// Probabilities and slopes of some rows, as many as registers hold, and what the slopes give to dq.
static void slope_rows(const wide_kernels *kernels, const workplace *w, size_t row, size_t rows, size_t keys, size_t size,
                       const float *delta, float *dq, bool accumulate) {
    const wide_scores p = {.numbers = w->probabilities + row * KEYS, .stride = KEYS, .rows = rows, .columns = keys};
    const wide_scores slopes = {.numbers = w->slopes + row * KEYS, .stride = KEYS, .rows = rows, .columns = keys};
    wide_multiply_panels(kernels, w->q + row * padded_columns(size), padded_columns(size), w->transposed_keys, &p, size);
    kernels->rebuild(&p, w->logarithms + row);
    wide_multiply_panels(kernels, w->dy + row * padded_columns(size), padded_columns(size), w->transposed_values, &slopes,
                         size);
    kernels->slope(&slopes, p.numbers, delta);
    kernels->multiply(&(wide_operands){
        .a = slopes.numbers, .a_row = KEYS, .a_step = 1, .b = w->keys, .b_step = padded_columns(size), .c = dq,
        .c_row = padded_columns(size), .rows = rows, .columns = size, .inner = keys, .accumulate = accumulate});
}

// sums[keys, size] (+)= left[rows, keys]^T right[rows, size].
static void add_keys(const wide_kernels *kernels, const float *left, const float *right, float *sums, size_t rows,
                     size_t keys, size_t size, bool accumulate) {
    kernels->multiply(&(wide_operands){
        .a = left, .a_row = 1, .a_step = KEYS, .b = right, .b_step = padded_columns(size), .c = sums,
        .c_row = padded_columns(size), .rows = keys, .columns = size, .inner = rows, .accumulate = accumulate});
}

// All queries with one block of keys.
static void add_block(const wide_kernels *kernels, const rectifid_wide_head *head, const workplace *w, size_t keys,
                      float *dq, bool accumulate, bool keys_too) {
    const size_t size = head->size;
    for (size_t first = 0; first < head->queries; first += QUERIES) {
        const size_t rows = head->queries - first < QUERIES ? head->queries - first : QUERIES, at = first * head->stride;
        rectifid_wide_copy(head->q + at, head->stride, head->scale * BINARY_LOGARITHM_OF_E, w->q, padded_columns(size), rows,
                           size);
        rectifid_wide_copy(head->dy + at, head->stride, 1, w->dy, padded_columns(size), rows, size);
        rectifid_wide_copy(head->lse + first, 0, BINARY_LOGARITHM_OF_E, w->logarithms, 0, 1, rows);
        for (size_t row = 0; row < rows; row += kernels->rows) {
            const size_t count = rows - row < kernels->rows ? rows - row : kernels->rows;
            slope_rows(kernels, w, row, count, keys, size, w->delta + first + row, dq + (first + row) * padded_columns(size),
                       accumulate);
        }
        if (!keys_too) continue;
        add_keys(kernels, w->slopes, w->q, w->key_sums, rows, keys, size, first > 0);
        add_keys(kernels, w->probabilities, w->dy, w->value_sums, rows, keys, size, first > 0);
    }
}

void rectifid_wide_attention_gradient(const rectifid_wide_head *head, size_t first, size_t last, float *dq, float *dk,
                                      float *dv, float *scratch) {
    const wide_kernels *kernels = wide_kernels_here();
    const size_t size = head->size, stride = head->stride;
    workplace w;
    arrange(head->queries, size, scratch, &w);
    wide_row_dots(head->dy, head->output, stride, w.delta, head->queries, size);
    for (size_t key = first; key < last; key += KEYS) {
        const size_t count = last - key < KEYS ? last - key : KEYS, at = key * stride;
        wide_pack_transposed(head->k + at, stride, count, size, w.transposed_keys);
        wide_pack_transposed(head->v + at, stride, count, size, w.transposed_values);
        rectifid_wide_copy(head->k + at, stride, 1, w.keys, padded_columns(size), count, size);
        add_block(kernels, head, &w, count, dq, key > first, dk && dv);
        if (!dk || !dv) continue;
        rectifid_wide_copy(w.key_sums, padded_columns(size), 1 / BINARY_LOGARITHM_OF_E, dk + at, stride, count, size);
        rectifid_wide_copy(w.value_sums, padded_columns(size), 1, dv + at, stride, count, size);
    }
}

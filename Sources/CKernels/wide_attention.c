#include "elementwise.h"
#include "wide_attention.h"
#include "wide_attention_parts.h"
#include "wide_kernels.h"
#include "wide_product.h"

#include <math.h>
#include <string.h>

// Keys of a block: theirs and their values' numbers take 640 KB of the second cache at most.
static size_t block_keys(size_t size) {
    const size_t keys = 81920 / size / RECTIFID_PANEL * RECTIFID_PANEL;
    return keys < RECTIFID_PANEL ? RECTIFID_PANEL : keys > 480 ? 480 : keys;
}

// Of every block: keys transposed, then values.
static size_t block_numbers(size_t keys, size_t size) { return padded_columns(keys) * size + keys * padded_columns(size); }

size_t rectifid_wide_attention_numbers(size_t keys, size_t size) {
    const size_t block = block_keys(size), rest = keys % block;
    return keys / block * block_numbers(block, size) + block_numbers(rest, size);
}

void rectifid_wide_attention_pack(const float *k, const float *v, size_t stride, size_t keys, size_t size, float *packed) {
    const size_t block = block_keys(size);
    for (size_t first = 0; first < keys; first += block) {
        const size_t count = keys - first < block ? keys - first : block;
        wide_pack_transposed(k + first * stride, stride, count, size, packed);
        rectifid_wide_copy(v + first * stride, stride, 1, packed + padded_columns(count) * size, padded_columns(size), count,
                           size);
        packed += block_numbers(count, size);
    }
}

// One thread's memory for a block of queries. Of each row: the highest score so far, the sum of exponentials, and what
// earlier blocks are multiplied by.
typedef struct {
    float *q, *scores, *sums, *top, *total, *rescale;
} workplace;

static size_t arrange(size_t size, float *scratch, workplace *w) {
    const size_t rows = RECTIFID_ATTENTION_ROWS, most = 8;
    *w = (workplace){.q = scratch};
    w->scores = w->q + rows * size;
    w->sums = w->scores + most * block_keys(size);
    w->top = w->sums + rows * padded_columns(size);
    w->total = w->top + rows;
    w->rescale = w->total + rows;
    return (size_t)(w->rescale + rows - scratch);
}

size_t rectifid_wide_attend_numbers(size_t size) {
    float none[1];
    workplace w;
    return arrange(size, none, &w);
}

// Some rows, as many as registers hold, with a block of keys.
static void attend_block(const wide_kernels *kernels, const workplace *w, size_t row, size_t rows, const float *packed,
                         size_t keys, size_t stride, size_t size) {
    const wide_scores scores = {.numbers = w->scores, .stride = stride, .rows = rows, .columns = keys};
    wide_multiply_panels(kernels, w->q + row * size, size, packed, &scores, size);
    kernels->soften(&scores, w->top + row, w->total + row, w->rescale + row);
    float *sums = w->sums + row * padded_columns(size);
    rectifid_scale_rows(sums, padded_columns(size), w->rescale + row, rows, size);
    for (size_t k = 0; k < keys; k += RECTIFID_WIDE_STEPS) {
        const size_t steps = keys - k < RECTIFID_WIDE_STEPS ? keys - k : RECTIFID_WIDE_STEPS;
        kernels->multiply(&(wide_operands){
            .a = w->scores + k, .a_row = stride, .a_step = 1,
            .b = packed + padded_columns(keys) * size + k * padded_columns(size), .b_step = padded_columns(size),
            .c = sums, .c_row = padded_columns(size), .rows = rows, .columns = size, .inner = steps, .accumulate = true});
    }
}

void rectifid_wide_attend(const float *q, size_t stride, size_t rows, const float *packed, size_t keys, size_t size,
                          float scale, float *lse, float *out, float *scratch) {
    const wide_kernels *kernels = wide_kernels_here();
    const size_t block = block_keys(size);
    workplace w;
    arrange(size, scratch, &w);
    rectifid_wide_copy(q, stride, scale * BINARY_LOGARITHM_OF_E, w.q, size, rows, size);
    memset(w.sums, 0, rows * padded_columns(size) * sizeof *w.sums);
    for (size_t r = 0; r < rows; r++) w.top[r] = -3e38f, w.total[r] = 0;
    for (size_t first = 0; first < keys; first += block) {
        const size_t count = keys - first < block ? keys - first : block;
        for (size_t row = 0; row < rows; row += kernels->rows)
            attend_block(kernels, &w, row, rows - row < kernels->rows ? rows - row : kernels->rows, packed, count, block,
                         size);
        packed += block_numbers(count, size);
    }
    for (size_t r = 0; r < rows; r++) {
        lse[r] = w.top[r] / BINARY_LOGARITHM_OF_E + logf(w.total[r]);
        const float *sums = w.sums + r * padded_columns(size);
        rectifid_wide_copy(sums, padded_columns(size), 1 / w.total[r], out + r * stride, stride, 1, size);
    }
}

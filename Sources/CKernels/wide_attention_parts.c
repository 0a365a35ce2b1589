#include "wide_attention_parts.h"
#include "vectorize.h"
#include "wide_vectors.h"

RECTIFID_VECTORIZE
void rectifid_wide_copy(const float *restrict from, size_t from_stride, float factor, float *restrict to, size_t to_stride,
                 size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, from += from_stride, to += to_stride)
        for (size_t i = 0; i < c; i++) to[i] = from[i] * factor;
}

RECTIFID_VECTORIZE
void wide_row_dots(const float *restrict a, const float *restrict b, size_t stride, float *restrict out, size_t rows, size_t c) {
    RECTIFID_REASSOCIATE
    for (size_t r = 0; r < rows; r++, a += stride, b += stride) {
        float sum = 0;
        for (size_t i = 0; i < c; i++) sum += a[i] * b[i];
        out[r] = sum;
    }
}

RECTIFID_VECTORIZE
void wide_pack_transposed(const float *x, size_t stride, size_t rows, size_t size, float *packed) {
    for (size_t first = 0; first < rows;) {
        const size_t width = 16 * wide_vectors_of((rows - first + 15) / 16);
        for (size_t i = 0; i < width; i += 8) {
            const float *from = x + (first + i) * stride;
            if (first + i + 8 <= rows)
                for (size_t k = 0; k < size; k += 8) transpose_square(from + k, stride, packed + k * width + i, width);
            else
                for (size_t k = 0; k < size; k++)
                    for (size_t j = 0; j < 8; j++)
                        packed[k * width + i + j] = first + i + j < rows ? from[j * stride + k] : 0;
        }
        packed += width * size;
        first += width;
    }
}

void wide_multiply_panels(const wide_kernels *kernels, const float *a, size_t a_row, const float *packed,
                     const wide_scores *products, size_t inner) {
    for (size_t column = 0; column < products->columns;) {
        const size_t width = 16 * wide_vectors_of((products->columns - column + 15) / 16);
        kernels->multiply(&(wide_operands){
            .a = a, .a_row = a_row, .a_step = 1, .b = packed, .b_step = width, .c = products->numbers + column,
            .c_row = products->stride, .rows = products->rows, .columns = width, .inner = inner});
        packed += width * inner;
        column += width;
    }
}

/// Linear maps of float32 numbers whose weights are packed once.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// Rows that a call takes at most.
#define RECTIFID_WIDE_ROWS 512

/// A linear map of rows of `inner` numbers to rows of `outputs`, or its derivative by them; multiples of 16.
typedef struct {
    const float *x;
    size_t inner, outputs;
    /// Weights as a packed factor of `inner` x `outputs`, see wide_product.h; those of the derivative's map, `outputs` x
    /// `inner`, which are transposed as they are read.
    const float *weights;
    bool derivative;
    /// `outputs` numbers or NULL.
    const float *bias;
    float *out;
} rectifid_wide_map;

/// Numbers of scratch memory of a call with that many rows.
size_t rectifid_wide_linear_numbers(size_t rows);
/// Rows [first, last) of the result, their panels [first_panel, last_panel). `scratch` is aligned to 64 bytes.
void rectifid_wide_linear(const rectifid_wide_map *map, size_t first, size_t last, size_t first_panel, size_t last_panel,
                          float *scratch);

/// Group and layer normalisation with their derivatives towards the input; weights are frozen.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// Mean and 1 / sqrt(variance + epsilon) of one group of `width` channels of one sample; pixels are `c` floats apart.
/// Sums run in double: 10^6 float32 terms would lose three digits.
void rectifid_group_statistics(const float *x, size_t pixels, size_t c, size_t width, float epsilon, float *mean,
                               float *inverse_deviation);
/// out = (x - mean) * inverse_deviation * weight[c] + bias[c], then SiLU if asked, for `pixels` rows of one sample.
void rectifid_group_normalize(const float *x, const float *mean, const float *inverse_deviation, const float *weight,
                              const float *bias, bool silu, float *out, size_t pixels, size_t c, size_t groups);
/// dL/dx of the two above for one group of `width` channels of one sample; `weight` and `bias` are the group's own,
/// `scratch` holds 2 * width floats.
void rectifid_group_normalize_gradient(const float *x, const float *mean, const float *inverse_deviation,
                                       const float *weight, const float *bias, bool silu, const float *dy, float *dx,
                                       size_t pixels, size_t c, size_t width, float *scratch);

/// Layer normalisation of each row of [rows, c]; `mean` and `inverse_deviation` are [rows].
void rectifid_layer_normalize(const float *x, const float *weight, const float *bias, float epsilon, float *out,
                              float *mean, float *inverse_deviation, size_t rows, size_t c);
void rectifid_layer_normalize_gradient(const float *x, const float *mean, const float *inverse_deviation,
                                       const float *weight, const float *dy, float *dx, size_t rows, size_t c);

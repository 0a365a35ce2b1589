/// Parts of group and layer normalisation and of their derivatives towards the input; weights are frozen.
#pragma once
#include "elementwise.h"
#include <stdbool.h>
#include <stddef.h>

/// Per channel of [rows, c]: sum += x - shift, squares += (x - shift)^2. In float32: a caller adds up a few hundred rows
/// at most before it goes on in double, since 10^6 float32 terms would lose three digits.
void rectifid_channel_moments(const void *x, rectifid_format format, const float *shift, float *sum, float *squares,
                              size_t rows, size_t c);
/// y = x scale[c] + offset[c], then SiLU if asked.
void rectifid_scale_channels(const void *x, rectifid_format format, const float *scale, const float *offset, bool silu,
                             void *out, rectifid_format out_format, size_t rows, size_t c);
/// With e = dL/d(x scale + offset), per channel: sum += e, along += e (x - centre).
void rectifid_scale_channels_moments(const void *x, rectifid_format format, const void *dy, rectifid_format dy_format,
                                     const float *scale, const float *offset, bool silu, const float *centre,
                                     float *sum, float *along, size_t rows, size_t c);
/// dx = e scale[c] - x pull[c] + level[c].
void rectifid_scale_channels_gradient(const void *x, rectifid_format format, const void *dy, rectifid_format dy_format,
                                      const float *scale, const float *offset, bool silu, const float *pull,
                                      const float *level, void *dx, rectifid_format dx_format, size_t rows,
                                      size_t c);

/// Layer normalisation of each row of [rows, c]; `mean` and `inverse_deviation` are [rows].
void rectifid_layer_normalize(const void *x, rectifid_format format, const float *weight, const float *bias,
                              float epsilon, void *out, rectifid_format out_format, float *mean,
                              float *inverse_deviation, size_t rows, size_t c);
void rectifid_layer_normalize_gradient(const void *x, rectifid_format format, const float *mean,
                                       const float *inverse_deviation, const float *weight, const void *dy,
                                       rectifid_format dy_format, void *dx, rectifid_format dx_format, size_t rows, size_t c);

#include "normalization.h"
#include "exponential.h"
#include "vectorize.h"

#include <math.h>

RECTIFID_VECTORIZE
void rectifid_group_statistics(const float *restrict x, size_t pixels, size_t c, size_t width, float epsilon,
                               float *restrict mean, float *restrict inverse_deviation) {
    RECTIFID_REASSOCIATE
    const double count = (double)pixels * (double)width;
    double sum = 0;
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = 0; i < width; i++) sum += (double)x[p * c + i];
    const double centre = sum / count;
    // A second pass over centred values: E[x^2] - E[x]^2 cancels where the mean is large against the spread.
    double squares = 0;
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = 0; i < width; i++) {
            const double d = (double)x[p * c + i] - centre;
            squares += d * d;
        }
    *mean = (float)centre;
    *inverse_deviation = (float)(1.0 / sqrt(squares / count + (double)epsilon));
}

// Channels run innermost, so a group's mean and deviation are spread over its channels by the loops below instead of
// into a per-channel table: the table would cost a pass, the loops cost nothing.
RECTIFID_VECTORIZE
void rectifid_group_normalize(const float *restrict x, const float *restrict mean,
                              const float *restrict inverse_deviation, const float *restrict weight,
                              const float *restrict bias, bool with_silu, float *restrict out, size_t pixels, size_t c,
                              size_t groups) {
    const size_t width = c / groups;
    for (size_t p = 0; p < pixels; p++, x += c, out += c)
        for (size_t g = 0; g < groups; g++) {
            const float m = mean[g], d = inverse_deviation[g];
            for (size_t i = g * width; i < (g + 1) * width; i++) {
                out[i] = (x[i] - m) * d * weight[i] + bias[i];
            }
        }
    if (!with_silu) return;
    out -= pixels * c;
    for (size_t i = 0; i < pixels * c; i++) out[i] = silu(out[i]);
}

// With xhat = (x - mean) d and e = dL/dxhat: dx = d (e - mean(e) - xhat mean(e xhat)), means over the group. Two passes:
// the first gathers both means per channel (in float32 over 64 pixels, then in double), the second writes dx.
RECTIFID_VECTORIZE
void rectifid_group_normalize_gradient(const float *restrict x, const float *restrict mean,
                                       const float *restrict inverse_deviation, const float *restrict weight,
                                       const float *restrict bias, bool with_silu, const float *restrict dy,
                                       float *restrict dx, size_t pixels, size_t c, size_t width,
                                       float *restrict scratch) {
    const float m = *mean, d = *inverse_deviation;
    double sum = 0, sum_along = 0;
    for (size_t first = 0; first < pixels; first += 64) {
        const size_t last = first + 64 < pixels ? first + 64 : pixels;
        for (size_t i = 0; i < 2 * width; i++) scratch[i] = 0;
        for (size_t p = first; p < last; p++)
            for (size_t i = 0; i < width; i++) {
                const float normal = (x[p * c + i] - m) * d;
                float e = dy[p * c + i] * weight[i];
                if (with_silu) e *= silu_slope(normal * weight[i] + bias[i]);
                dx[p * c + i] = e;
                scratch[i] += e;
                scratch[width + i] += e * normal;
            }
        for (size_t i = 0; i < width; i++) {
            sum += (double)scratch[i];
            sum_along += (double)scratch[width + i];
        }
    }
    const double count = (double)pixels * (double)width;
    const float centre = (float)(sum / count), along = (float)(sum_along / count);
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = 0; i < width; i++)
            dx[p * c + i] = d * (dx[p * c + i] - centre - (x[p * c + i] - m) * d * along);
}

RECTIFID_VECTORIZE
void rectifid_layer_normalize(const float *restrict x, const float *restrict weight, const float *restrict bias,
                              float epsilon, float *restrict out, float *restrict mean,
                              float *restrict inverse_deviation, size_t rows, size_t c) {
    RECTIFID_REASSOCIATE
    for (size_t r = 0; r < rows; r++, x += c, out += c) {
        float sum = 0;
        for (size_t i = 0; i < c; i++) sum += x[i];
        const float centre = sum / (float)c;
        float squares = 0;
        for (size_t i = 0; i < c; i++) squares += (x[i] - centre) * (x[i] - centre);
        const float d = 1.0f / sqrtf(squares / (float)c + epsilon);
        for (size_t i = 0; i < c; i++) out[i] = (x[i] - centre) * d * weight[i] + bias[i];
        mean[r] = centre;
        inverse_deviation[r] = d;
    }
}

RECTIFID_VECTORIZE
void rectifid_layer_normalize_gradient(const float *restrict x, const float *restrict mean,
                                       const float *restrict inverse_deviation, const float *restrict weight,
                                       const float *restrict dy, float *restrict dx, size_t rows, size_t c) {
    RECTIFID_REASSOCIATE
    for (size_t r = 0; r < rows; r++, x += c, dy += c, dx += c) {
        const float m = mean[r], d = inverse_deviation[r];
        float sum = 0, along = 0;
        for (size_t i = 0; i < c; i++) {
            const float e = dy[i] * weight[i];
            sum += e;
            along += e * (x[i] - m) * d;
        }
        sum /= (float)c;
        along /= (float)c;
        for (size_t i = 0; i < c; i++) dx[i] = d * (dy[i] * weight[i] - sum - (x[i] - m) * d * along);
    }
}

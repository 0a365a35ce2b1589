#include "normalization.h"
#include "exponential.h"
#include "number.h"
#include "vectorize.h"

#include <math.h>

// Everything runs along the channels, which are innermost: a group may be ten channels wide, and a loop over ten numbers
// leaves a vector unit idle. What a group needs is gathered per channel and added up by the caller.

RECTIFID_VECTORIZE
void rectifid_channel_moments(const void *x, rectifid_format format, const float *restrict shift, float *restrict sum,
                              float *restrict squares, size_t rows, size_t c) {
    float buffer[RUN];
    for (size_t from = 0; from < c; from += RUN) {
        const size_t n = run_length(from, c);
        for (size_t r = 0; r < rows; r++) {
            const float *restrict row = read_run(x, format, r * c + from, n, buffer);
            for (size_t i = 0; i < n; i++) {
                const float d = row[i] - shift[from + i];
                sum[from + i] += d;
                squares[from + i] += d * d;
            }
        }
    }
}

RECTIFID_VECTORIZE
void rectifid_scale_channels(const void *x, rectifid_format format, const float *restrict scale,
                             const float *restrict offset, bool with_silu, void *out, rectifid_format out_format,
                             size_t rows, size_t c) {
    float in_buffer[RUN], out_buffer[RUN];
    for (size_t r = 0; r < rows; r++)
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c), at = r * c + from;
            const float *restrict row = read_run(x, format, at, n, in_buffer);
            float *restrict y = run_to_write(out, out_format, at, out_buffer);
            if (with_silu)
                for (size_t i = 0; i < n; i++) y[i] = silu(row[i] * scale[from + i] + offset[from + i]);
            else
                for (size_t i = 0; i < n; i++) y[i] = row[i] * scale[from + i] + offset[from + i];
            write_run(out, out_format, at, n, out_buffer);
        }
}

// The slope at a scaled value times what came back: dL/d(x scale + offset).
INLINE float slope(float x, float scale, float offset, bool with_silu, float dy) {
    return with_silu ? dy * silu_slope(x * scale + offset) : dy;
}

RECTIFID_VECTORIZE
void rectifid_scale_channels_moments(const void *x, rectifid_format format, const void *dy, rectifid_format dy_format,
                                     const float *restrict scale, const float *restrict offset, bool with_silu,
                                     const float *restrict centre, float *restrict sum, float *restrict along,
                                     size_t rows, size_t c) {
    float x_buffer[RUN], dy_buffer[RUN];
    for (size_t from = 0; from < c; from += RUN) {
        const size_t n = run_length(from, c);
        for (size_t r = 0; r < rows; r++) {
            const float *restrict row = read_run(x, format, r * c + from, n, x_buffer);
            const float *restrict back = read_run(dy, dy_format, r * c + from, n, dy_buffer);
            for (size_t i = 0; i < n; i++) {
                const float e = slope(row[i], scale[from + i], offset[from + i], with_silu, back[i]);
                sum[from + i] += e;
                along[from + i] += e * (row[i] - centre[from + i]);
            }
        }
    }
}

RECTIFID_VECTORIZE
void rectifid_scale_channels_gradient(const void *x, rectifid_format format, const void *dy, rectifid_format dy_format,
                                      const float *restrict scale, const float *restrict offset, bool with_silu,
                                      const float *restrict pull, const float *restrict level, void *dx,
                                      rectifid_format dx_format, size_t rows, size_t c) {
    float x_buffer[RUN], dy_buffer[RUN], dx_buffer[RUN];
    for (size_t r = 0; r < rows; r++)
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c), at = r * c + from;
            const float *restrict row = read_run(x, format, at, n, x_buffer);
            const float *restrict back = read_run(dy, dy_format, at, n, dy_buffer);
            float *restrict out = run_to_write(dx, dx_format, at, dx_buffer);
            for (size_t i = 0; i < n; i++) {
                const float e = slope(row[i], scale[from + i], offset[from + i], with_silu, back[i]);
                out[i] = e * scale[from + i] - row[i] * pull[from + i] + level[from + i];
            }
            write_run(dx, dx_format, at, n, dx_buffer);
        }
}

RECTIFID_VECTORIZE
void rectifid_layer_normalize(const void *x, rectifid_format format, const float *restrict weight,
                              const float *restrict bias, float epsilon, void *out, rectifid_format out_format,
                              float *restrict mean, float *restrict inverse_deviation, size_t rows, size_t c) {
    RECTIFID_REASSOCIATE
    float in_buffer[RUN], out_buffer[RUN];
    for (size_t r = 0; r < rows; r++) {
        float sum = 0, squares = 0;
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c);
            const float *restrict row = read_run(x, format, r * c + from, n, in_buffer);
            for (size_t i = 0; i < n; i++) sum += row[i];
        }
        const float centre = sum / (float)c;
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c);
            const float *restrict row = read_run(x, format, r * c + from, n, in_buffer);
            for (size_t i = 0; i < n; i++) squares += (row[i] - centre) * (row[i] - centre);
        }
        const float d = 1.0f / sqrtf(squares / (float)c + epsilon);
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c), at = r * c + from;
            const float *restrict row = read_run(x, format, at, n, in_buffer);
            float *restrict y = run_to_write(out, out_format, at, out_buffer);
            for (size_t i = 0; i < n; i++) y[i] = (row[i] - centre) * d * weight[from + i] + bias[from + i];
            write_run(out, out_format, at, n, out_buffer);
        }
        mean[r] = centre;
        inverse_deviation[r] = d;
    }
}

RECTIFID_VECTORIZE
void rectifid_layer_normalize_gradient(const void *x, rectifid_format format, const float *restrict mean,
                                       const float *restrict inverse_deviation, const float *restrict weight,
                                       const void *dy, rectifid_format dy_format, void *dx, rectifid_format dx_format,
                                       size_t rows, size_t c) {
    RECTIFID_REASSOCIATE
    float x_buffer[RUN], dy_buffer[RUN], dx_buffer[RUN];
    for (size_t r = 0; r < rows; r++) {
        const float m = mean[r], d = inverse_deviation[r];
        float sum = 0, along = 0;
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c), at = r * c + from;
            const float *restrict row = read_run(x, format, at, n, x_buffer);
            const float *restrict back = read_run(dy, dy_format, at, n, dy_buffer);
            for (size_t i = 0; i < n; i++) {
                const float e = back[i] * weight[from + i];
                sum += e;
                along += e * (row[i] - m) * d;
            }
        }
        sum /= (float)c;
        along /= (float)c;
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c), at = r * c + from;
            const float *restrict row = read_run(x, format, at, n, x_buffer);
            const float *restrict back = read_run(dy, dy_format, at, n, dy_buffer);
            float *restrict out = run_to_write(dx, dx_format, at, dx_buffer);
            for (size_t i = 0; i < n; i++)
                out[i] = d * (back[i] * weight[from + i] - sum - (row[i] - m) * d * along);
            write_run(dx, dx_format, at, n, dx_buffer);
        }
    }
}

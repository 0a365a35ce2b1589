#include "activations.h"
#include "exponential.h"
#include "number.h"
#include "vectorize.h"

#include <float.h>
#include <math.h>

// erf(x) = x P(x^2) / Q(x^2) on [-4, 4], where float32 erf has reached +-1 beyond: a minimax rational of degree 13 / 8,
// within 5e-7 of libm everywhere.
INLINE float error_function(float x) {
    x = x < -4.0f ? -4.0f : (x > 4.0f ? 4.0f : x);
    const float s = x * x;
    float p = -2.72614225801306e-10f;
    p = p * s + 2.77068142495902e-08f;
    p = p * s - 2.10102402082508e-06f;
    p = p * s - 5.69250639462346e-05f;
    p = p * s - 7.34990630326855e-04f;
    p = p * s - 2.95459980854025e-03f;
    p = p * s - 1.60960333262415e-02f;
    float q = -1.45660718464996e-05f;
    q = q * s - 2.13374055278905e-04f;
    q = q * s - 1.68282697438203e-03f;
    q = q * s - 7.37332916720468e-03f;
    q = q * s - 1.42647390514189e-02f;
    return x * p / q;
}

INLINE float normal_cdf(float x) { return 0.5f * (1.0f + error_function(x * 0.70710678118654752f)); }
INLINE float normal_density(float x) { return 0.39894228040143268f * exponential(-0.5f * x * x); }

INLINE float gelu(float x) { return x * normal_cdf(x); }
INLINE float gelu_slope(float x) { return normal_cdf(x) + x * normal_density(x); }
INLINE float quick_gelu(float x) { return x * sigmoid(1.702f * x); }
INLINE float quick_gelu_slope(float x) {
    const float s = sigmoid(1.702f * x);
    return s * (1.0f + 1.702f * x * (1.0f - s));
}
INLINE float sigmoid_slope(float x) {
    const float s = sigmoid(x);
    return s * (1.0f - s);
}
INLINE float hyperbolic_tangent(float x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }
INLINE float hyperbolic_tangent_slope(float x) {
    const float t = hyperbolic_tangent(x);
    return 1.0f - t * t;
}
INLINE float relu(float x) { return x > 0.0f ? x : 0.0f; }
INLINE float relu_slope(float x) { return x > 0.0f ? 1.0f : 0.0f; }
INLINE float square_root(float x) { return sqrtf(x); }
INLINE float square_root_slope(float x) { return 0.5f / sqrtf(x); }

#define POINTWISE(NAME, F, SLOPE)                                                                                      \
    RECTIFID_VECTORIZE static void NAME(const float *restrict x, float *restrict out, size_t n) {                      \
        for (size_t i = 0; i < n; i++) out[i] = F(x[i]);                                                               \
    }                                                                                                                  \
    RECTIFID_VECTORIZE static void NAME##_gradient(const float *restrict x, const float *restrict dy,                  \
                                                   float *restrict out, size_t n) {                                    \
        for (size_t i = 0; i < n; i++) out[i] = dy[i] * SLOPE(x[i]);                                                   \
    }

POINTWISE(silu_all, silu, silu_slope)
POINTWISE(gelu_all, gelu, gelu_slope)
POINTWISE(quick_gelu_all, quick_gelu, quick_gelu_slope)
POINTWISE(sigmoid_all, sigmoid, sigmoid_slope)
POINTWISE(tanh_all, hyperbolic_tangent, hyperbolic_tangent_slope)
POINTWISE(relu_all, relu, relu_slope)
POINTWISE(exp_all, exponential, exponential)
POINTWISE(sqrt_all, square_root, square_root_slope)

void rectifid_activate(rectifid_activation f, const float *x, float *out, size_t n) {
    switch (f) {
    case RECTIFID_SILU: silu_all(x, out, n); break;
    case RECTIFID_GELU: gelu_all(x, out, n); break;
    case RECTIFID_QUICK_GELU: quick_gelu_all(x, out, n); break;
    case RECTIFID_SIGMOID: sigmoid_all(x, out, n); break;
    case RECTIFID_TANH: tanh_all(x, out, n); break;
    case RECTIFID_RELU: relu_all(x, out, n); break;
    case RECTIFID_EXP: exp_all(x, out, n); break;
    case RECTIFID_SQRT: sqrt_all(x, out, n); break;
    }
}

void rectifid_activate_gradient(rectifid_activation f, const float *x, const float *dy, float *out, size_t n) {
    switch (f) {
    case RECTIFID_SILU: silu_all_gradient(x, dy, out, n); break;
    case RECTIFID_GELU: gelu_all_gradient(x, dy, out, n); break;
    case RECTIFID_QUICK_GELU: quick_gelu_all_gradient(x, dy, out, n); break;
    case RECTIFID_SIGMOID: sigmoid_all_gradient(x, dy, out, n); break;
    case RECTIFID_TANH: tanh_all_gradient(x, dy, out, n); break;
    case RECTIFID_RELU: relu_all_gradient(x, dy, out, n); break;
    case RECTIFID_EXP: exp_all_gradient(x, dy, out, n); break;
    case RECTIFID_SQRT: sqrt_all_gradient(x, dy, out, n); break;
    }
}

RECTIFID_VECTORIZE
void rectifid_prelu(const float *restrict x, const float *restrict slope, float *restrict out, size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, x += c, out += c)
        for (size_t i = 0; i < c; i++) out[i] = x[i] > 0 ? x[i] : slope[i] * x[i];
}

RECTIFID_VECTORIZE
void rectifid_prelu_gradient(const float *restrict x, const float *restrict slope, const float *restrict dy,
                             float *restrict out, size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, x += c, dy += c, out += c)
        for (size_t i = 0; i < c; i++) out[i] = x[i] > 0 ? dy[i] : slope[i] * dy[i];
}

RECTIFID_VECTORIZE
void rectifid_geglu(const void *x, void *out, rectifid_format format, size_t rows, size_t c) {
    float value_buffer[RUN], gate_buffer[RUN], out_buffer[RUN];
    for (size_t r = 0; r < rows; r++)
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c), at = r * c + from;
            const float *restrict value = read_run(x, format, 2 * r * c + from, n, value_buffer);
            const float *restrict gate = read_run(x, format, (2 * r + 1) * c + from, n, gate_buffer);
            float *restrict y = run_to_write(out, format, at, out_buffer);
            for (size_t i = 0; i < n; i++) y[i] = value[i] * gelu(gate[i]);
            write_run(out, format, at, n, out_buffer);
        }
}

RECTIFID_VECTORIZE
void rectifid_geglu_gradient(const void *x, const void *dy, rectifid_format dy_format, void *dx, rectifid_format format,
                             size_t rows, size_t c) {
    float value_buffer[RUN], gate_buffer[RUN], dy_buffer[RUN], dvalue_buffer[RUN], dgate_buffer[RUN];
    for (size_t r = 0; r < rows; r++)
        for (size_t from = 0; from < c; from += RUN) {
            const size_t n = run_length(from, c), first = 2 * r * c + from, second = first + c;
            const float *restrict value = read_run(x, format, first, n, value_buffer);
            const float *restrict gate = read_run(x, format, second, n, gate_buffer);
            const float *restrict back = read_run(dy, dy_format, r * c + from, n, dy_buffer);
            float *restrict dvalue = run_to_write(dx, format, first, dvalue_buffer);
            float *restrict dgate = run_to_write(dx, format, second, dgate_buffer);
            for (size_t i = 0; i < n; i++) {
                const float g = gate[i], slope = back[i], cdf = normal_cdf(g);
                const float of_gate = slope * value[i] * (cdf + g * normal_density(g));
                dvalue[i] = slope * (g * cdf);
                dgate[i] = of_gate;
            }
            write_run(dx, format, first, n, dvalue_buffer);
            write_run(dx, format, second, n, dgate_buffer);
        }
}

RECTIFID_VECTORIZE
void rectifid_softmax(float *restrict x, float scale, float *restrict lse, size_t rows, size_t c) {
    RECTIFID_REASSOCIATE
    for (size_t r = 0; r < rows; r++, x += c) {
        float top = -FLT_MAX;
        for (size_t i = 0; i < c; i++) top = x[i] > top ? x[i] : top;
        top *= scale;
        float sum = 0;
        for (size_t i = 0; i < c; i++) {
            x[i] = exponential(scale * x[i] - top);
            sum += x[i];
        }
        const float inverse = 1.0f / sum;
        for (size_t i = 0; i < c; i++) x[i] *= inverse;
        if (lse) lse[r] = top + logf(sum);
    }
}

RECTIFID_VECTORIZE
void rectifid_softmax_rebuild(float *restrict s, float scale, const float *restrict lse, size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, s += c)
        for (size_t i = 0; i < c; i++) s[i] = exponential(scale * s[i] - lse[r]);
}

RECTIFID_VECTORIZE
void rectifid_softmax_gradient(const float *restrict p, float *restrict dp, const float *restrict delta, float scale,
                               size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++, p += c, dp += c)
        for (size_t i = 0; i < c; i++) dp[i] = scale * p[i] * (dp[i] - delta[r]);
}

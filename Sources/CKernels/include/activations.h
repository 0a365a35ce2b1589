/// Pointwise non-linearities with their derivatives, and softmax.
#pragma once
#include "elementwise.h"
#include <stddef.h>
#include <stdint.h>

typedef enum {
    RECTIFID_SILU,        ///< x * sigmoid(x)
    RECTIFID_GELU,        ///< x * Phi(x), Phi by the error function (not the tanh approximation)
    RECTIFID_QUICK_GELU,  ///< x * sigmoid(1.702 x), OpenAI CLIP
    RECTIFID_SIGMOID,
    RECTIFID_TANH,
    RECTIFID_RELU,
    RECTIFID_EXP,
    RECTIFID_SQRT
} rectifid_activation;

/// out[i] = f(x[i]).
void rectifid_activate(rectifid_activation f, const float *x, float *out, size_t n);
/// out[i] = dy[i] * f'(x[i]).
void rectifid_activate_gradient(rectifid_activation f, const float *x, const float *dy, float *out, size_t n);

/// PReLU per channel: out = x where x > 0, else slope[c] * x. `x` is [rows, c].
void rectifid_prelu(const float *x, const float *slope, float *out, size_t rows, size_t c);
void rectifid_prelu_gradient(const float *x, const float *slope, const float *dy, float *out, size_t rows, size_t c);

/// GEGLU (Shazeer 2020): `x` is [rows, 2c], value then gate; out[rows, c] = value * gelu(gate).
/// x and out are in the same format, as are x and dx.
void rectifid_geglu(const void *x, void *out, rectifid_format format, size_t rows, size_t c);
void rectifid_geglu_gradient(const void *x, const void *dy, rectifid_format dy_format, void *dx, rectifid_format format,
                             size_t rows, size_t c);

/// Softmax over each row of [rows, c], in place, of scale * x; `lse` (may be NULL) gets log(sum(exp(scale * x))).
void rectifid_softmax(float *x, float scale, float *lse, size_t rows, size_t c);
/// p[r, i] = exp(scale * s[r, i] - lse[r]), in place: rebuilds a softmax from its stored log-sum-exp.
void rectifid_softmax_rebuild(float *s, float scale, const float *lse, size_t rows, size_t c);
/// ds = scale * p * (dp - delta[r]), written over dp: the derivative of softmax, delta[r] = sum_i p[r,i] dp[r,i].
void rectifid_softmax_gradient(const float *p, float *dp, const float *delta, float scale, size_t rows, size_t c);

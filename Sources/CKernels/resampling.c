#include "resampling.h"
#include "vectorize.h"

#include <float.h>
#include <math.h>
#include <string.h>

static size_t nearest_source(size_t i, size_t from, size_t to) {
    const size_t source = (size_t)((float)i * ((float)from / (float)to));
    return source < from ? source : from - 1;
}

void rectifid_resize_nearest(const float *x, float *out, size_t h, size_t w, size_t c, size_t out_h, size_t out_w) {
    const size_t row = out_w * c;
    for (size_t y = 0; y < out_h; y++, out += row) {
        const size_t source = nearest_source(y, h, out_h);
        if (y > 0 && source == nearest_source(y - 1, h, out_h)) {
            memcpy(out, out - row, row * sizeof(float));
            continue;
        }
        for (size_t i = 0; i < out_w; i++)
            memcpy(out + i * c, x + (source * w + nearest_source(i, w, out_w)) * c, c * sizeof(float));
    }
}

RECTIFID_VECTORIZE
void rectifid_resize_nearest_gradient(const float *restrict dy, float *restrict dx, size_t h, size_t w, size_t c,
                                      size_t out_h, size_t out_w) {
    memset(dx, 0, h * w * c * sizeof(float));
    for (size_t y = 0; y < out_h; y++) {
        float *row = dx + nearest_source(y, h, out_h) * w * c;
        for (size_t i = 0; i < out_w; i++, dy += c) {
            float *to = row + nearest_source(i, w, out_w) * c;
            for (size_t k = 0; k < c; k++) to[k] += dy[k];
        }
    }
}

typedef struct { size_t low, high; float share; } tap;

static tap bilinear_tap(size_t i, size_t from, size_t to) {
    const float position = ((float)i + 0.5f) * ((float)from / (float)to) - 0.5f;
    const float clamped = position < 0 ? 0 : position;
    size_t low = (size_t)clamped;
    if (low > from - 1) low = from - 1;
    const size_t high = low + 1 < from ? low + 1 : low;
    return (tap){low, high, high == low ? 0 : clamped - (float)low};
}

RECTIFID_VECTORIZE
void rectifid_resize_bilinear(const float *restrict x, float *restrict out, size_t h, size_t w, size_t c, size_t out_h,
                              size_t out_w) {
    for (size_t y = 0; y < out_h; y++) {
        const tap v = bilinear_tap(y, h, out_h);
        for (size_t i = 0; i < out_w; i++, out += c) {
            const tap u = bilinear_tap(i, w, out_w);
            const float *a = x + (v.low * w + u.low) * c, *b = x + (v.low * w + u.high) * c;
            const float *d = x + (v.high * w + u.low) * c, *e = x + (v.high * w + u.high) * c;
            for (size_t k = 0; k < c; k++) {
                const float top = a[k] + (b[k] - a[k]) * u.share, bottom = d[k] + (e[k] - d[k]) * u.share;
                out[k] = top + (bottom - top) * v.share;
            }
        }
    }
}

void rectifid_resize_bilinear_gradient(const float *dy, float *dx, size_t h, size_t w, size_t c, size_t out_h,
                                       size_t out_w) {
    memset(dx, 0, h * w * c * sizeof(float));
    for (size_t y = 0; y < out_h; y++) {
        const tap v = bilinear_tap(y, h, out_h);
        for (size_t i = 0; i < out_w; i++, dy += c) {
            const tap u = bilinear_tap(i, w, out_w);
            for (size_t k = 0; k < c; k++) {
                const float top = dy[k] * (1 - v.share), bottom = dy[k] * v.share;
                dx[(v.low * w + u.low) * c + k] += top * (1 - u.share);
                dx[(v.low * w + u.high) * c + k] += top * u.share;
                dx[(v.high * w + u.low) * c + k] += bottom * (1 - u.share);
                dx[(v.high * w + u.high) * c + k] += bottom * u.share;
            }
        }
    }
}

void rectifid_max_pool(const float *x, float *out, size_t h, size_t w, size_t c, size_t out_h, size_t out_w,
                       size_t kernel_h, size_t kernel_w, size_t stride_h, size_t stride_w, ptrdiff_t top,
                       ptrdiff_t left) {
    for (size_t oy = 0; oy < out_h; oy++)
        for (size_t ox = 0; ox < out_w; ox++, out += c) {
            for (size_t k = 0; k < c; k++) out[k] = -FLT_MAX;
            for (size_t ky = 0; ky < kernel_h; ky++) {
                const ptrdiff_t y = (ptrdiff_t)(oy * stride_h + ky) - top;
                if (y < 0 || y >= (ptrdiff_t)h) continue;
                for (size_t kx = 0; kx < kernel_w; kx++) {
                    const ptrdiff_t p = (ptrdiff_t)(ox * stride_w + kx) - left;
                    if (p < 0 || p >= (ptrdiff_t)w) continue;
                    const float *from = x + ((size_t)y * w + (size_t)p) * c;
                    for (size_t k = 0; k < c; k++) out[k] = from[k] > out[k] ? from[k] : out[k];
                }
            }
        }
}

void rectifid_max_pool_gradient(const float *x, const float *dy, float *dx, size_t h, size_t w, size_t c, size_t out_h,
                                size_t out_w, size_t kernel_h, size_t kernel_w, size_t stride_h, size_t stride_w,
                                ptrdiff_t top, ptrdiff_t left) {
    memset(dx, 0, h * w * c * sizeof(float));
    for (size_t oy = 0; oy < out_h; oy++)
        for (size_t ox = 0; ox < out_w; ox++, dy += c)
            for (size_t k = 0; k < c; k++) {
                float best = -FLT_MAX;
                float *winner = NULL;
                for (size_t ky = 0; ky < kernel_h; ky++) {
                    const ptrdiff_t y = (ptrdiff_t)(oy * stride_h + ky) - top;
                    if (y < 0 || y >= (ptrdiff_t)h) continue;
                    for (size_t kx = 0; kx < kernel_w; kx++) {
                        const ptrdiff_t p = (ptrdiff_t)(ox * stride_w + kx) - left;
                        if (p < 0 || p >= (ptrdiff_t)w) continue;
                        const size_t at = ((size_t)y * w + (size_t)p) * c + k;
                        if (!winner || x[at] > best) {
                            best = x[at];
                            winner = dx + at;
                        }
                    }
                }
                if (winner) *winner += dy[k];
            }
}

// The four taps of one output pixel: index of the pixel, or -1 outside, and weight. Positions run in double: at 640
// pixels a float32 position is off by 3e-5 of a pixel, which shows in gradients.
typedef struct { ptrdiff_t at[4]; float weight[4]; } corners;

static corners corners_at(const double *m, size_t ox, size_t oy, size_t h, size_t w) {
    const double u = m[0] * (double)ox + m[1] * (double)oy + m[2], v = m[3] * (double)ox + m[4] * (double)oy + m[5];
    corners result = {{-1, -1, -1, -1}, {0, 0, 0, 0}};
    if (!(u > -1 && v > -1 && u < (double)w && v < (double)h)) return result;
    const double fu = floor(u), fv = floor(v);
    const ptrdiff_t x0 = (ptrdiff_t)fu, y0 = (ptrdiff_t)fv;
    const double su = u - fu, sv = v - fv;
    const double weights[4] = {(1 - su) * (1 - sv), su * (1 - sv), (1 - su) * sv, su * sv};
    for (int k = 0; k < 4; k++) {
        const ptrdiff_t x = x0 + (k & 1), y = y0 + (k >> 1);
        if (x < 0 || y < 0 || x >= (ptrdiff_t)w || y >= (ptrdiff_t)h) continue;
        result.at[k] = y * (ptrdiff_t)w + x;
        result.weight[k] = (float)weights[k];
    }
    return result;
}

void rectifid_warp_affine(const float *image, size_t h, size_t w, size_t c, const double *m, float *out, size_t out_h,
                          size_t out_w) {
    for (size_t oy = 0; oy < out_h; oy++)
        for (size_t ox = 0; ox < out_w; ox++, out += c) {
            const corners taps = corners_at(m, ox, oy, h, w);
            for (size_t k = 0; k < c; k++) out[k] = 0;
            for (int t = 0; t < 4; t++) {
                if (taps.at[t] < 0) continue;
                const float *from = image + (size_t)taps.at[t] * c;
                for (size_t k = 0; k < c; k++) out[k] += taps.weight[t] * from[k];
            }
        }
}

void rectifid_warp_affine_gradient(const float *dy, size_t h, size_t w, size_t c, const double *m, float *dimage,
                                   size_t out_h, size_t out_w) {
    for (size_t oy = 0; oy < out_h; oy++)
        for (size_t ox = 0; ox < out_w; ox++, dy += c) {
            const corners taps = corners_at(m, ox, oy, h, w);
            for (int t = 0; t < 4; t++) {
                if (taps.at[t] < 0) continue;
                float *to = dimage + (size_t)taps.at[t] * c;
                for (size_t k = 0; k < c; k++) to[k] += taps.weight[t] * dy[k];
            }
        }
}

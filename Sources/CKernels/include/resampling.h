/// Resampling and pooling of NHWC images, each with its derivative. One image at a time; `c` channels innermost.
#pragma once
#include <stddef.h>

/// Nearest neighbour, PyTorch's rule: output pixel i takes input pixel floor(i * (from / to)), in float32.
void rectifid_resize_nearest(const float *x, float *out, size_t h, size_t w, size_t c, size_t out_h, size_t out_w);
/// Sums what each input pixel was copied to: the derivative of the above.
void rectifid_resize_nearest_gradient(const float *dy, float *dx, size_t h, size_t w, size_t c, size_t out_h,
                                      size_t out_w);

/// Bilinear resize with half-pixel centres and clamped borders, without anti-aliasing (OpenCV's INTER_LINEAR on floats).
void rectifid_resize_bilinear(const float *x, float *out, size_t h, size_t w, size_t c, size_t out_h, size_t out_w);
void rectifid_resize_bilinear_gradient(const float *dy, float *dx, size_t h, size_t w, size_t c, size_t out_h,
                                       size_t out_w);

/// Max pooling; taps outside the picture never win. Ties go to the first tap in row order.
void rectifid_max_pool(const float *x, float *out, size_t h, size_t w, size_t c, size_t out_h, size_t out_w,
                       size_t kernel_h, size_t kernel_w, size_t stride_h, size_t stride_w, ptrdiff_t top,
                       ptrdiff_t left);
void rectifid_max_pool_gradient(const float *x, const float *dy, float *dx, size_t h, size_t w, size_t c, size_t out_h,
                                size_t out_w, size_t kernel_h, size_t kernel_w, size_t stride_h, size_t stride_w,
                                ptrdiff_t top, ptrdiff_t left);

/// out[y, x] = bilinear sample of `image` at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]), pixel centres on integers,
/// zeros outside (each of the four taps is dropped on its own).
void rectifid_warp_affine(const float *image, size_t h, size_t w, size_t c, const double *m, float *out, size_t out_h,
                          size_t out_w);
/// The transpose: adds onto dimage, which the caller has zeroed.
void rectifid_warp_affine_gradient(const float *dy, size_t h, size_t w, size_t c, const double *m, float *dimage,
                                   size_t out_h, size_t out_w);

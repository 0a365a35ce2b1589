#include "layout.h"
#include "number.h"
#include "vectorize.h"

#include <string.h>

void rectifid_gather_patches(const float *x, const rectifid_window *w, size_t first, size_t last, float *columns) {
    const size_t bytes = w->group_channels * sizeof(float);
    for (size_t oy = first; oy < last; oy++)
        for (size_t ox = 0; ox < w->out_width; ox++)
            for (size_t ky = 0; ky < w->kernel_height; ky++) {
                const ptrdiff_t y = (ptrdiff_t)(oy * w->stride_height + ky * w->dilation_height) - w->pad_top;
                const int row_inside = y >= 0 && y < (ptrdiff_t)w->height;
                for (size_t kx = 0; kx < w->kernel_width; kx++, columns += w->group_channels) {
                    const ptrdiff_t p = (ptrdiff_t)(ox * w->stride_width + kx * w->dilation_width) - w->pad_left;
                    if (row_inside && p >= 0 && p < (ptrdiff_t)w->width)
                        memcpy(columns, x + ((size_t)y * w->width + (size_t)p) * w->channels + w->group_offset, bytes);
                    else
                        memset(columns, 0, bytes);
                }
            }
}

RECTIFID_VECTORIZE
static void add_row(const float *restrict x, float *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] += x[i];
}

void rectifid_scatter_patches(const float *columns, const rectifid_window *w, size_t first, size_t last,
                              size_t first_row, size_t last_row, float *dx) {
    const size_t patch = w->kernel_height * w->kernel_width * w->group_channels;
    for (size_t y = first_row; y < last_row; y++)
        for (size_t x = 0; x < w->width; x++)
            memset(dx + (y * w->width + x) * w->channels + w->group_offset, 0, w->group_channels * sizeof(float));
    for (size_t oy = first; oy < last; oy++)
        for (size_t ky = 0; ky < w->kernel_height; ky++) {
            const ptrdiff_t y = (ptrdiff_t)(oy * w->stride_height + ky * w->dilation_height) - w->pad_top;
            if (y < (ptrdiff_t)first_row || y >= (ptrdiff_t)last_row) continue;
            for (size_t ox = 0; ox < w->out_width; ox++)
                for (size_t kx = 0; kx < w->kernel_width; kx++) {
                    const ptrdiff_t p = (ptrdiff_t)(ox * w->stride_width + kx * w->dilation_width) - w->pad_left;
                    if (p < 0 || p >= (ptrdiff_t)w->width) continue;
                    add_row(columns + ((oy - first) * w->out_width + ox) * patch
                                + (ky * w->kernel_width + kx) * w->group_channels,
                            dx + ((size_t)y * w->width + (size_t)p) * w->channels + w->group_offset,
                            w->group_channels);
                }
        }
}

// Walks the outer extents with an odometer and moves the innermost one as a row.
#define WALK(ROW)                                                                                                      \
    size_t index[8] = {0};                                                                                             \
    const size_t n = rank ? extents[rank - 1] : 1;                                                                     \
    const ptrdiff_t step = rank ? strides[rank - 1] : 1;                                                               \
    for (size_t d = 0; d < rank; d++)                                                                                  \
        if (extents[d] == 0) return;                                                                                   \
    ptrdiff_t offset = 0;                                                                                              \
    for (;;) {                                                                                                         \
        ROW;                                                                                                           \
        size_t d = rank > 1 ? rank - 1 : 0;                                                                            \
        while (d > 0) {                                                                                                \
            d--;                                                                                                       \
            offset += strides[d];                                                                                      \
            if (++index[d] < extents[d]) break;                                                                        \
            offset -= strides[d] * (ptrdiff_t)extents[d];                                                              \
            index[d] = 0;                                                                                              \
            if (d == 0) return;                                                                                        \
        }                                                                                                              \
        if (rank < 2) return;                                                                                          \
    }

void rectifid_copy_strided(const float *x, const size_t *extents, const ptrdiff_t *strides, size_t rank, float *out) {
    WALK({
        const float *row = x + offset;
        if (step == 1) memcpy(out, row, n * sizeof(float));
        else for (size_t i = 0; i < n; i++) out[i] = row[(ptrdiff_t)i * step];
        out += n;
    })
}

void rectifid_add_strided(const float *dy, const size_t *extents, const ptrdiff_t *strides, size_t rank, float *out) {
    WALK({
        float *row = out + offset;
        for (size_t i = 0; i < n; i++) row[(ptrdiff_t)i * step] += dy[i];
        dy += n;
    })
}

void rectifid_transpose_halves(const uint16_t *x, size_t stride, uint16_t *out, size_t out_stride, size_t rows,
                               size_t c) {
    for (size_t i = 0; i < c; i++, out += out_stride) {
        for (size_t r = 0; r < rows; r++) out[r] = x[r * stride + i];
        if (rows % 2) out[rows] = 0;
    }
}

void rectifid_narrow_transpose(const float *x, size_t stride, uint16_t *out, size_t out_stride, size_t rows,
                               size_t columns) {
    for (size_t i = 0; i < columns; i++, out += out_stride)
        for (size_t r = 0; r < rows; r++) out[r] = narrowed(x[r * stride + i]);
}

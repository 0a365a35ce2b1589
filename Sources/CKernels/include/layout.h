/// Moving data: patches for convolutions as matrix products, strided copies.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Geometry of a convolution over one NHWC image of one group of channels.
typedef struct {
    size_t height, width, channels;          ///< input image; `channels` is the distance between pixels
    size_t out_height, out_width;            ///< output image
    size_t kernel_height, kernel_width;
    size_t stride_height, stride_width;
    size_t dilation_height, dilation_width;
    ptrdiff_t pad_top, pad_left;
    size_t group_offset, group_channels;     ///< the group's channels of the input
} rectifid_window;

/// Patches of output rows [first, last): `columns` is [(last - first) * out_width, kernel_height * kernel_width *
/// group_channels], taps outside the picture are zero.
void rectifid_gather_patches(const float *x, const rectifid_window *w, size_t first, size_t last, float *columns);
/// The transpose of the above, restricted to input rows [first_row, last_row), which are overwritten: sums every patch
/// of output rows [first, last) that touches them. Gathering per input pixel (and not scattering per patch) lets strips
/// of input rows run on different threads without locks.
void rectifid_scatter_patches(const float *columns, const rectifid_window *w, size_t first, size_t last,
                              size_t first_row, size_t last_row, float *dx);

/// out[i0, i1, ..] = x at the strided position, over `rank` (at most 8) extents; strides in elements, out contiguous.
void rectifid_copy_strided(const float *x, const size_t *extents, const ptrdiff_t *strides, size_t rank, float *out);
/// The transpose: adds contiguous `dy` onto strided positions of `out`.
void rectifid_add_strided(const float *dy, const size_t *extents, const ptrdiff_t *strides, size_t rank, float *out);

/// out[c, rows] = x[rows, c] transposed, rows `stride` and `out_stride` apart; an odd row gets a zero behind it.
void rectifid_transpose_halves(const uint16_t *x, size_t stride, uint16_t *out, size_t out_stride, size_t rows,
                               size_t c);
/// out[columns, rows] = x[rows, columns] transposed, as bfloat16.
void rectifid_narrow_transpose(const float *x, size_t stride, uint16_t *out, size_t out_stride, size_t rows,
                               size_t columns);

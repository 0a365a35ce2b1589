/// Convolutions with 3 x 3 kernels, stride 1 and one zero around the picture by few products, in float32. Channels and
/// outputs are multiples of 16. Winograd's (Lavin and Gray 2016, arXiv 1509.09308) as in winograd.h; besides, of larger
/// tiles: 6 x 6 pixels give 4 x 4 results by 36 products instead of 144.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef enum {
    /// F(2 x 2, 3 x 3): a convolution and its derivative.
    RECTIFID_WIDE_BY_TWO,
    /// F(4 x 4, 3 x 3), the same; at the points 0, 1.5, -1.5, 2 / 3, -2 / 3 and infinity, whose results are twice as close as
    /// those of the customary 0, 1, -1, 2, -2 and infinity.
    RECTIFID_WIDE_BY_FOUR,
    /// Of a picture enlarged twofold by repeating pixels.
    RECTIFID_WIDE_ENLARGING,
    /// The derivative of that: from the result's to the small picture's.
    RECTIFID_WIDE_SHRINKING,
} rectifid_wide_kind;

/// Numbers of a filter's transformed matrices, each packed as wide_product.h says.
size_t rectifid_wide_filter_numbers(rectifid_wide_kind kind, size_t channels, size_t outputs);
/// Panels [first, last) of the filter from weights [outputs, 3, 3, channels].
void rectifid_wide_filter(rectifid_wide_kind kind, const float *weights, size_t channels, size_t outputs, size_t first,
                          size_t last, float *filter);

typedef struct {
    rectifid_wide_kind kind;
    size_t height, width, channels; ///< of the pictures that are read; even where they shrink
    size_t outputs;
    bool derivative; ///< by the filter of the convolution, which takes `outputs` to `channels`; it is transposed as it is read
} rectifid_wide_pictures;

/// Tiles of one picture, counted along its rows; those of the next picture follow.
size_t rectifid_wide_tiles(const rectifid_wide_pictures *pictures);
/// Tiles that one call is to take, so that their transforms stay in the caches.
size_t rectifid_wide_block(const rectifid_wide_pictures *pictures);
/// Bytes of scratch memory of a call with that many tiles and panels.
size_t rectifid_wide_scratch_bytes(const rectifid_wide_pictures *pictures, size_t tiles, size_t panels);

/// Tiles [first, last) of the results, their panels [first_panel, last_panel), from pictures x [N, height, width, channels].
/// Results are [N, height, width, outputs], of twice or half the height and width where the kind says so. `bias` [outputs]
/// may be NULL; `scratch` is aligned to 64 bytes.
void rectifid_wide_convolve(const rectifid_wide_pictures *pictures, const float *x, const float *filter,
                            const float *bias, float *out, size_t first, size_t last, size_t first_panel,
                            size_t last_panel, void *scratch);

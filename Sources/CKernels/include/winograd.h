/// Convolutions with 3 x 3 kernels, stride 1 and one zero around the picture by few products, in bfloat16 with float32
/// sums; where rectifid_has_narrow_product() only. Channels and outputs are multiples of 16.
///
/// Winograd's F(2 x 2, 3 x 3) (Lavin and Gray 2016, arXiv 1509.09308): a tile of 4 x 4 pixels gives 2 x 2 results by 16
/// products instead of 36. And its like for a picture that is first enlarged twofold by repeating pixels: 3 x 3 pixels
/// give 2 x 2 results by 9 products instead of 36, from the small picture.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    /// A convolution and, with the transposed filter, its derivative.
    RECTIFID_WINOGRAD_SAME,
    /// Of the enlarged picture.
    RECTIFID_WINOGRAD_ENLARGING,
    /// The derivative of that: from the result's to the small picture's, with the transposed filter.
    RECTIFID_WINOGRAD_SHRINKING,
} rectifid_winograd_kind;

/// Words of a filter's transformed matrices, each packed as narrow_product.h says.
size_t rectifid_winograd_words(rectifid_winograd_kind kind, size_t channels, size_t outputs);

/// Panels [first, last) of the filter from weights [outputs, 3, 3, channels].
void rectifid_winograd_filter(rectifid_winograd_kind kind, const float *weights, size_t channels, size_t outputs,
                              size_t first, size_t last, uint32_t *filter);
/// Panels [first, last) of the filter of the derivative, which takes `outputs` to `channels`.
void rectifid_winograd_transpose(rectifid_winograd_kind kind, const uint32_t *filter, size_t channels, size_t outputs,
                                 size_t first, size_t last, uint32_t *transposed);

typedef struct {
    rectifid_winograd_kind kind;
    size_t images, height, width, channels; ///< of what is read; even where it shrinks
    size_t outputs;
    bool transposes;    ///< the filter is that of the convolution from `outputs` to `channels`: its panels are turned as they come
    bool narrow_result; ///< bfloat16, else float32
} rectifid_winograd_picture;

/// Tiles of all images, counted along their rows.
size_t rectifid_winograd_tiles(const rectifid_winograd_picture *picture);
/// Tiles that one call takes at most, so that their transforms stay in the second cache.
size_t rectifid_winograd_block(const rectifid_winograd_picture *picture);
/// Bytes of scratch memory of one call.
size_t rectifid_winograd_scratch_bytes(const rectifid_winograd_picture *picture);

/// Tiles [first, last) of the result, its panels [first_panel, last_panel), from x [images, height, width, channels]. The
/// result is [images, height, width, outputs], of twice or half the height and width where the kind says so. `bias` [outputs]
/// may be NULL; `scratch` is aligned to 64 bytes.
void rectifid_winograd(const rectifid_winograd_picture *picture, const uint16_t *x, const uint32_t *filter,
                       const float *bias, void *out, size_t first, size_t last, size_t first_panel,
                       size_t last_panel, void *scratch);

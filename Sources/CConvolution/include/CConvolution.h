#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Convolutions of NHWC pictures through oneDNN, on the calling thread; in float32, or with operands in bfloat16, whose
// products are summed in float32 and whose result is either.
//
// oneDNN's C API is not stable between its major versions, and its threads (libgomp's) spin for milliseconds after every
// call. So all of it lives in one file, and every call below holds it to one thread: the caller splits the work.
//
// A convolution is immutable once made: several threads may run it at once, each with scratch memory of its own.

/// Sizes in pixels and channels; `bottom` and `right` follow from the output's size.
typedef struct {
    int64_t images, height, width, channels;
    int64_t out_height, out_width, outputs;
    int64_t kernel_height, kernel_width;
    int64_t stride_height, stride_width;
    int64_t dilation_height, dilation_width; ///< 1 is a dense kernel
    int64_t top, left;
    int64_t groups;
} rectifid_convolution_geometry;

typedef enum {
    RECTIFID_CONVOLUTION_FORWARD,
    RECTIFID_CONVOLUTION_FORWARD_WITH_BIAS,
    RECTIFID_CONVOLUTION_INPUT_GRADIENT,
} rectifid_convolution_kind;

/// Number formats; a bias is float32 always.
typedef struct {
    bool narrow_operands; ///< picture (or result's gradient) and filter in bfloat16
    bool narrow_result;   ///< the result (or picture's gradient) in bfloat16; only with narrow operands
} rectifid_convolution_formats;

typedef enum {
    RECTIFID_CONVOLUTION_OK = 0,
    RECTIFID_CONVOLUTION_UNSUPPORTED, ///< no fast kernel for this geometry on this processor
    RECTIFID_CONVOLUTION_NO_MEMORY,
    RECTIFID_CONVOLUTION_FAILED, ///< oneDNN refused what it should accept
} rectifid_convolution_status;

typedef struct rectifid_convolution rectifid_convolution;

/// Version of the library that is loaded: major, minor and patch, one byte each, the last one lowest.
uint32_t rectifid_convolution_version(void);

/// Whether this processor multiplies bfloat16 numbers; without it oneDNN imitates them, slower than float32.
bool rectifid_convolution_multiplies_bfloat16(void);

/// Whether this processor multiplies tiles of bfloat16 numbers by one instruction (AMX).
bool rectifid_convolution_multiplies_tiles(void);

/// Compiles kernels for one geometry, which takes about a millisecond.
rectifid_convolution_status rectifid_convolution_create(const rectifid_convolution_geometry *geometry,
                                                        rectifid_convolution_kind kind,
                                                        rectifid_convolution_formats formats,
                                                        rectifid_convolution **convolution);
void rectifid_convolution_destroy(rectifid_convolution *convolution);

/// The kernel that was chosen, such as "jit:avx2"; lives as long as the convolution.
const char *rectifid_convolution_kernel(const rectifid_convolution *convolution);
/// Memory that one run needs beside its operands, aligned to 64 bytes; may be 0.
size_t rectifid_convolution_scratch_bytes(const rectifid_convolution *convolution);
/// Memory of the filter in the convolution's own order.
size_t rectifid_convolution_filter_bytes(const rectifid_convolution *convolution);
/// Whether the filter's own order is the plain one, `[O, kernel height, kernel width, I / groups]`.
bool rectifid_convolution_takes_plain_filter(const rectifid_convolution *convolution);
/// Whether two convolutions order their filters alike, so that one reordered copy serves both.
bool rectifid_convolution_filters_agree(const rectifid_convolution *a, const rectifid_convolution *b);

/// Reorders a plain filter, in the format of the convolution's operands, into the convolution's own order; `reordered`
/// has `filter_bytes`, aligned to 64.
rectifid_convolution_status rectifid_convolution_reorder_filter(const rectifid_convolution *convolution,
                                                                const void *plain, void *reordered);
/// The other way.
rectifid_convolution_status rectifid_convolution_restore_filter(const rectifid_convolution *convolution,
                                                                const void *reordered, void *plain);

/// Runs. Forward: `in` is the picture, `out` the result. Gradient: `in` is the result's gradient, `out` the picture's.
/// `bias` only where the convolution was made with one.
rectifid_convolution_status rectifid_convolution_run(const rectifid_convolution *convolution, const void *in,
                                                     const void *filter, const float *bias, void *out, void *scratch);

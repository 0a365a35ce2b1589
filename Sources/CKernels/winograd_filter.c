#include "narrow_vectors.h"
#include "winograd_points.h"

size_t rectifid_winograd_words(rectifid_winograd_kind kind, size_t channels, size_t outputs) {
    return points_of_axis(kind) * points_of_axis(kind) * rectifid_packed_words(channels, outputs);
}

void rectifid_winograd_transpose(rectifid_winograd_kind kind, const uint32_t *filter, size_t channels, size_t outputs,
                                 size_t first, size_t last, uint32_t *transposed) {
    const size_t count = points_of_axis(kind);
    const size_t words = rectifid_packed_words(channels, outputs), to_words = rectifid_packed_words(outputs, channels);
    for (size_t point = 0; point < count * count; point++)
        rectifid_transpose_packed(filter + transposed_point(kind, point) * words, channels, outputs, first, last,
                                  transposed + point * to_words);
}

#if defined(__x86_64__)

// What is transformed at once: kernels between so many channels and outputs.
enum { RUN_OF_CHANNELS = 16, RUN_OF_OUTPUTS = 16 };

// G along one axis of three numbers: four points of a kernel, or three of one on repeated pixels.
STEP void kernel_points(const __m512 g[3], __m512 points[4], const size_t count) {
    const __m512 outer = _mm512_add_ps(g[0], g[2]), half = _mm512_set1_ps(0.5f);
    points[0] = g[0], points[count - 1] = g[2];
    points[1] = count == 4 ? _mm512_mul_ps(half, _mm512_add_ps(outer, g[1])) : _mm512_add_ps(outer, g[1]);
    if (count == 4) points[2] = _mm512_mul_ps(half, _mm512_sub_ps(outer, g[1]));
}

// G g G^T of the kernels between 16 channels and one output; taps are `channels` apart, points `apart` numbers.
STEP void transform_kernels(const float *weights, size_t channels, uint16_t *points, size_t apart, const size_t count) {
    __m512 rows[3][4];
    for (size_t y = 0; y < 3; y++) {
        __m512 g[3];
        for (size_t x = 0; x < 3; x++) g[x] = _mm512_loadu_ps(weights + (3 * y + x) * channels);
        kernel_points(g, rows[y], count);
    }
    for (size_t x = 0; x < count; x++) {
        const __m512 column[3] = {rows[0][x], rows[1][x], rows[2][x]};
        __m512 down[4];
        kernel_points(column, down, count);
        for (size_t y = 0; y < count; y++) store_narrow(points + (count * y + x) * apart, down[y]);
    }
}

NARROW
void rectifid_winograd_filter(rectifid_winograd_kind kind, const float *weights, size_t channels, size_t outputs,
                              size_t first, size_t last, uint32_t *filter) {
    const size_t pairs = channels / 2, words = rectifid_packed_words(channels, outputs), count = points_of_axis(kind);
    uint32_t run[MOST_POINTS][RUN_OF_OUTPUTS][RUN_OF_CHANNELS / 2];
    for (size_t panel = first; panel < last; panel++) {
        const size_t width = panel_width(panel * RECTIFID_PANEL, outputs);
        uint32_t *panel_words = filter + panel * RECTIFID_PANEL * pairs;
        for (size_t c = 0; c < channels; c += RUN_OF_CHANNELS)
            for (size_t from = 0; from < width; from += RUN_OF_OUTPUTS) {
                const float *kernels = weights + (panel * RECTIFID_PANEL + from) * 9 * channels + c;
                for (size_t o = 0; o < RUN_OF_OUTPUTS; o++) {
                    const float *kernel = kernels + o * 9 * channels;
                    uint16_t *points = (uint16_t *)run[0][o];
                    if (count == 4) transform_kernels(kernel, channels, points, sizeof run[0] / 2, 4);
                    else transform_kernels(kernel, channels, points, sizeof run[0] / 2, 3);
                }
                for (size_t p = 0; p < count * count; p++)
                    for (size_t pair = 0; pair < RUN_OF_CHANNELS / 2; pair++) {
                        uint32_t *to = panel_words + p * words + (c / 2 + pair) * width + from;
                        for (size_t o = 0; o < RUN_OF_OUTPUTS; o++) to[o] = run[p][o][pair];
                    }
            }
    }
}

#else

void rectifid_winograd_filter(rectifid_winograd_kind kind, const float *weights, size_t channels, size_t outputs,
                              size_t first, size_t last, uint32_t *filter) {
    (void)kind, (void)weights, (void)channels, (void)outputs, (void)first, (void)last, (void)filter;
    __builtin_trap();
}

#endif

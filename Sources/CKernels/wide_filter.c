#include "vectorize.h"
#include "wide_points.h"
#include "wide_vectors.h"

size_t rectifid_wide_filter_numbers(rectifid_wide_kind kind, size_t channels, size_t outputs) {
    return wide_points(kind) * wide_points(kind) * rectifid_wide_numbers(channels, outputs);
}

// G of every kind, by its number of points.
static const double kernel_points[3][6][3] = {
    {{1, 0, 0}, {1, 1, 1}, {0, 0, 1}},
    {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}},
    {{1, 0, 0},
     {12. / 65, 18. / 65, 27. / 65},
     {12. / 65, -18. / 65, 27. / 65},
     {27. / 65, 18. / 65, 12. / 65},
     {27. / 65, -18. / 65, 12. / 65},
     {0, 0, 1}},
};

// What is transformed at once: kernels between so many channels and outputs.
enum { RUN = 16 };

// G g G^T of the kernels between 16 channels and one output; taps are `channels` apart. Rounded once.
INLINE void transform_kernels(const float *weights, size_t channels, const double (*g)[3], size_t count,
                              float (*points)[RUN][RUN], size_t output) {
    double rows[3][6][RUN];
    for (size_t y = 0; y < 3; y++)
        for (size_t x = 0; x < count; x++)
            for (size_t c = 0; c < RUN; c++) {
                const float *taps = weights + 3 * y * channels + c;
                rows[y][x][c] = g[x][0] * taps[0] + g[x][1] * taps[channels] + g[x][2] * taps[2 * channels];
            }
    for (size_t y = 0; y < count; y++)
        for (size_t x = 0; x < count; x++)
            for (size_t c = 0; c < RUN; c++)
                points[count * y + x][output][c] =
                    (float)(g[y][0] * rows[0][x][c] + g[y][1] * rows[1][x][c] + g[y][2] * rows[2][x][c]);
}

RECTIFID_VECTORIZE
void rectifid_wide_filter(rectifid_wide_kind kind, const float *weights, size_t channels, size_t outputs, size_t first,
                          size_t last, float *filter) {
    const size_t numbers = rectifid_wide_numbers(channels, outputs), count = wide_points(kind);
    const double (*g)[3] = kernel_points[count == 3 ? 0 : count == 4 ? 1 : 2];
    float run[MOST_WIDE_POINTS][RUN][RUN];
    for (size_t panel = first; panel < last; panel++) {
        const size_t width = panel_width(panel * RECTIFID_PANEL, outputs);
        float *to = filter + panel * RECTIFID_PANEL * channels;
        for (size_t c = 0; c < channels; c += RUN)
            for (size_t from = 0; from < width; from += RUN) {
                const float *kernels = weights + (panel * RECTIFID_PANEL + from) * 9 * channels + c;
                for (size_t o = 0; o < RUN; o++)
                    transform_kernels(kernels + o * 9 * channels, channels, g, count, run, o);
                for (size_t point = 0; point < count * count; point++)
                    for (size_t i = 0; i < RUN; i += 8)
                        for (size_t o = 0; o < RUN; o += 8)
                            transpose_square(&run[point][o][i], RUN, to + point * numbers + (c + i) * width + from + o,
                                             width);
            }
    }
}

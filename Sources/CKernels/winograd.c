#include "winograd.h"
#include "narrow_vectors.h"
#include "winograd_points.h"

#include <string.h>

// With d a tile of pixels and g a kernel: y = A^T [(G g G^T) * (B^T d B)] A. The products of a tile's points are taken for
// all tiles and channels at once, which makes them matrix products.

// Pixels between tiles along one axis.
static size_t step_of(rectifid_winograd_kind kind) { return kind == RECTIFID_WINOGRAD_ENLARGING ? 1 : 2; }

static size_t tiles_across(const rectifid_winograd_picture *p) {
    return (p->width + step_of(p->kind) - 1) / step_of(p->kind);
}

static size_t tiles_of_image(const rectifid_winograd_picture *p) {
    return (p->height + step_of(p->kind) - 1) / step_of(p->kind) * tiles_across(p);
}

size_t rectifid_winograd_tiles(const rectifid_winograd_picture *p) { return p->images * tiles_of_image(p); }

static size_t points_of(const rectifid_winograd_picture *p) { return points_of_axis(p->kind) * points_of_axis(p->kind); }

// Rows of points are apart by more than their length: lengths that are powers of two would put all points of a pixel into
// the same few lines of the cache.
static size_t row_stride(const rectifid_winograd_picture *p) { return p->channels + 32; }

size_t rectifid_winograd_block(const rectifid_winograd_picture *p) {
    // Few channels: what a block holds stays in the second cache. Many: a block must be large enough to be worth
    // streaming the filter, or transposing it, and its rows come from the third.
    const size_t bytes = points_of(p) * (2 * row_stride(p) + 4 * RECTIFID_PANEL), fits = (640 << 10) / bytes / 8 * 8;
    return fits < 32 ? p->transposes ? 128 : 64 : fits > 96 ? 96 : fits;
}

typedef struct {
    float *products;  // [points][block][RECTIFID_PANEL]
    uint32_t *panel;  // [channels / 2][RECTIFID_PANEL], of a filter that is transposed
    uint16_t *points; // [points][block][row_stride], the first `apart` numbers apart
    uint16_t *zeros;  // [channels]
    size_t block, stride, apart, bytes;
} workplace;

static workplace arranged(const rectifid_winograd_picture *p, void *scratch) {
    workplace w = {.products = scratch, .block = rectifid_winograd_block(p), .stride = row_stride(p)};
    const size_t products = points_of(p) * w.block * RECTIFID_PANEL;
    w.apart = w.block * w.stride + 32;
    w.panel = (uint32_t *)scratch + products;
    w.points = (uint16_t *)(w.panel + (p->transposes ? p->channels / 2 * RECTIFID_PANEL : 0));
    w.zeros = w.points + points_of(p) * w.apart;
    w.bytes = (size_t)((char *)(w.zeros + p->channels) - (char *)scratch);
    return w;
}

size_t rectifid_winograd_scratch_bytes(const rectifid_winograd_picture *p) { return arranged(p, NULL).bytes; }

#if defined(__x86_64__)

// Pixels of a tile and results of a tile along one axis.
static size_t side_of(rectifid_winograd_kind kind) { return kind == RECTIFID_WINOGRAD_ENLARGING ? 3 : 4; }
static size_t results_of(rectifid_winograd_kind kind) { return kind == RECTIFID_WINOGRAD_SHRINKING ? 1 : 2; }

// B^T along one axis.
STEP void pixel_points(const __m512 d[4], __m512 points[4], const rectifid_winograd_kind kind) {
    switch (kind) {
    case RECTIFID_WINOGRAD_SAME:
        points[0] = _mm512_sub_ps(d[0], d[2]), points[1] = _mm512_add_ps(d[1], d[2]);
        points[2] = _mm512_sub_ps(d[2], d[1]), points[3] = _mm512_sub_ps(d[1], d[3]);
        break;
    // With s the sum of a kernel's g: the repeated pixels a a b b c c give g0 (a - b) + s b and s b + g2 (c - b).
    case RECTIFID_WINOGRAD_ENLARGING:
        points[0] = _mm512_sub_ps(d[0], d[1]), points[1] = d[1], points[2] = _mm512_sub_ps(d[2], d[1]);
        break;
    // And pixel b has its derivative from four results: g2 (d0 + d1) + g1 (d1 + d2) + g0 (d2 + d3), by the same points.
    case RECTIFID_WINOGRAD_SHRINKING:
        points[0] = _mm512_sub_ps(d[3], d[1]), points[1] = _mm512_add_ps(d[1], d[2]);
        points[2] = _mm512_sub_ps(d[0], d[2]);
        break;
    }
}

// B^T d B of one tile, all channels: `pixels` are its pixels, `points` its rows, `apart` numbers apart.
STEP void transform_tile(const uint16_t *const *pixels, size_t channels, uint16_t *points, size_t apart,
                         const rectifid_winograd_kind kind) {
    const size_t side = kind == RECTIFID_WINOGRAD_ENLARGING ? 3 : 4, count = kind == RECTIFID_WINOGRAD_SAME ? 4 : 3;
    for (size_t c = 0; c < channels; c += 16) {
        __m512 rows[4][4];
        for (size_t y = 0; y < side; y++) {
            __m512 d[4];
            for (size_t x = 0; x < side; x++) d[x] = load_narrow(pixels[side * y + x] + c);
            pixel_points(d, rows[y], kind);
        }
        for (size_t x = 0; x < count; x++) {
            __m512 column[4], down[4];
            for (size_t y = 0; y < side; y++) column[y] = rows[y][x];
            pixel_points(column, down, kind);
            for (size_t y = 0; y < count; y++) store_narrow(points + (count * y + x) * apart + c, down[y]);
        }
    }
}

NARROW
static void transform_tiles(const rectifid_winograd_picture *p, const workplace *w, const uint16_t *x, size_t first,
                            size_t last) {
    const size_t across = tiles_across(p), each = tiles_of_image(p), side = side_of(p->kind), step = step_of(p->kind);
    for (size_t tile = first; tile < last; tile++) {
        const uint16_t *pixels[MOST_POINTS], *image = x + tile / each * p->height * p->width * p->channels;
        const size_t top = step * (tile % each / across) - 1, left = step * (tile % each % across) - 1;
        for (size_t i = 0; i < side * side; i++) {
            // From one row and column before the tile; what lies before the picture wraps round to large numbers.
            const size_t row = top + i / side, column = left + i % side;
            pixels[i] = row < p->height && column < p->width ? image + (row * p->width + column) * p->channels : w->zeros;
        }
        uint16_t *points = w->points + (tile - first) * w->stride;
        switch (p->kind) {
        case RECTIFID_WINOGRAD_SAME: transform_tile(pixels, p->channels, points, w->apart, RECTIFID_WINOGRAD_SAME); break;
        case RECTIFID_WINOGRAD_ENLARGING:
            transform_tile(pixels, p->channels, points, w->apart, RECTIFID_WINOGRAD_ENLARGING);
            break;
        case RECTIFID_WINOGRAD_SHRINKING:
            transform_tile(pixels, p->channels, points, w->apart, RECTIFID_WINOGRAD_SHRINKING);
            break;
        }
    }
}

// A^T along one axis.
STEP void two_results(const __m512 m[4], __m512 results[2], const rectifid_winograd_kind kind) {
    if (kind == RECTIFID_WINOGRAD_ENLARGING) {
        results[0] = _mm512_add_ps(m[0], m[1]), results[1] = _mm512_add_ps(m[1], m[2]);
        return;
    }
    results[0] = _mm512_add_ps(m[0], _mm512_add_ps(m[1], m[2]));
    results[1] = _mm512_sub_ps(_mm512_sub_ps(m[1], m[2]), m[3]);
}

// A^T m A of one tile and 16 outputs; `products` are `apart` numbers apart.
STEP void tile_results(const float *products, size_t apart, __m512 bias, __m512 results[2][2],
                       const rectifid_winograd_kind kind) {
    const size_t count = kind == RECTIFID_WINOGRAD_SAME ? 4 : 3;
    __m512 rows[2][4];
    for (size_t x = 0; x < count; x++) {
        __m512 column[4], down[2];
        for (size_t y = 0; y < count; y++) column[y] = _mm512_loadu_ps(products + (count * y + x) * apart);
        two_results(column, down, kind);
        rows[0][x] = down[0], rows[1][x] = down[1];
    }
    for (int y = 0; y < 2; y++) {
        two_results(rows[y], results[y], kind);
        for (int x = 0; x < 2; x++) results[y][x] = _mm512_add_ps(results[y][x], bias);
    }
}

STEP void store_result(const rectifid_winograd_picture *p, void *out, size_t at, __m512 result) {
    if (p->narrow_result) store_narrow((uint16_t *)out + at, result);
    else _mm512_storeu_ps((float *)out + at, result);
}

STEP void write_tiles(const rectifid_winograd_picture *p, const workplace *w, const float *bias, void *out, size_t first,
                      size_t last, size_t column, size_t width, const rectifid_winograd_kind kind) {
    const size_t across = tiles_across(p), each = tiles_of_image(p), apart = w->block * RECTIFID_PANEL;
    const size_t scale = kind == RECTIFID_WINOGRAD_ENLARGING ? 2 : 1;
    const size_t out_height = p->height * scale, out_width = p->width * scale;
    for (size_t tile = first; tile < last; tile++) {
        const size_t top = 2 * (tile % each / across), left = 2 * (tile % each % across);
        const size_t image = tile / each * out_height * out_width;
        const float *products = w->products + (tile - first) * RECTIFID_PANEL;
        for (size_t o = 0; o < width; o += 16) {
            __m512 results[2][2];
            const __m512 shift = bias ? _mm512_loadu_ps(bias + column + o) : _mm512_setzero_ps();
            tile_results(products + o, apart, shift, results, kind);
            for (size_t y = 0; y < 2 && top + y < out_height; y++)
                for (size_t x = 0; x < 2 && left + x < out_width; x++)
                    store_result(p, out, (image + (top + y) * out_width + left + x) * p->outputs + column + o, results[y][x]);
        }
    }
}

// One result per tile, which is its number in the pictures.
STEP void write_sums(const rectifid_winograd_picture *p, const workplace *w, const float *bias, void *out, size_t first,
                     size_t last, size_t column, size_t width) {
    for (size_t tile = first; tile < last; tile++)
        for (size_t o = 0; o < width; o += 16) {
            const __m512 sum = _mm512_loadu_ps(w->products + (tile - first) * RECTIFID_PANEL + o);
            const __m512 shift = bias ? _mm512_loadu_ps(bias + column + o) : _mm512_setzero_ps();
            store_result(p, out, tile * p->outputs + column + o, _mm512_add_ps(sum, shift));
        }
}

NARROW
static void write_panel(const rectifid_winograd_picture *p, const workplace *w, const float *bias, void *out,
                        size_t first, size_t last, size_t column, size_t width) {
    switch (p->kind) {
    case RECTIFID_WINOGRAD_SAME:
        write_tiles(p, w, bias, out, first, last, column, width, RECTIFID_WINOGRAD_SAME);
        break;
    case RECTIFID_WINOGRAD_ENLARGING:
        write_tiles(p, w, bias, out, first, last, column, width, RECTIFID_WINOGRAD_ENLARGING);
        break;
    case RECTIFID_WINOGRAD_SHRINKING: write_sums(p, w, bias, out, first, last, column, width); break;
    }
}

// A panel of a point's matrix as it lies in the filter, to be transposed: pieces of other panels, which the processor does not
// foresee.
static rectifid_ahead source_of(const rectifid_winograd_picture *p, const uint32_t *filter, size_t point, size_t panel) {
    const size_t words = rectifid_packed_words(p->channels, p->outputs), inner = p->outputs / 2;
    const size_t from = panel * RECTIFID_PANEL, width = panel_width(from, p->outputs);
    const uint32_t *matrix = filter + transposed_point(p->kind, point) * words;
    return (rectifid_ahead){matrix + from / 2 * RECTIFID_PANEL, p->channels / RECTIFID_PANEL,
                            width / 2 * RECTIFID_PANEL / 16, RECTIFID_PANEL * inner * sizeof *matrix};
}

// The products of all points with one of the filter's panels.
static void multiply_points(const rectifid_winograd_picture *p, const workplace *w, const uint32_t *filter, size_t tiles,
                            size_t panel) {
    const size_t pairs = p->channels / 2, words = rectifid_packed_words(p->channels, p->outputs);
    const size_t column = panel * RECTIFID_PANEL, width = panel_width(column, p->outputs), points = points_of(p);
    // Where a tile has one result, its points' products are summed at once.
    const bool sums = results_of(p->kind) == 1;
    for (size_t point = 0; point < points; point++) {
        const uint32_t *right = filter + point * words + column * pairs;
        rectifid_ahead ahead = {0};
        if (p->transposes) {
            const uint32_t *matrix = filter + transposed_point(p->kind, point) * words;
            rectifid_transpose_panel(matrix, p->outputs, p->channels, panel, w->panel);
            right = w->panel;
            if (point + 1 < points) ahead = source_of(p, filter, point + 1, panel);
            else if (column + width < p->outputs) ahead = source_of(p, filter, 0, panel + 1);
        }
        rectifid_narrow_product(w->points + point * w->apart, w->stride, right, pairs, 0, pairs, 0,
                                w->products + (sums ? 0 : point * w->block * RECTIFID_PANEL), RECTIFID_PANEL, tiles,
                                width, sums && point > 0, ahead.runs > 0 ? &ahead : NULL);
    }
}

void rectifid_winograd(const rectifid_winograd_picture *p, const uint16_t *x, const uint32_t *filter,
                       const float *bias, void *out, size_t first, size_t last, size_t first_panel,
                       size_t last_panel, void *scratch) {
    const workplace w = arranged(p, scratch);
    memset(w.zeros, 0, p->channels * sizeof *w.zeros);
    transform_tiles(p, &w, x, first, last);
    for (size_t panel = first_panel; panel < last_panel; panel++) {
        const size_t column = panel * RECTIFID_PANEL;
        multiply_points(p, &w, filter, last - first, panel);
        write_panel(p, &w, bias, out, first, last, column, panel_width(column, p->outputs));
    }
}

#else

void rectifid_winograd(const rectifid_winograd_picture *p, const uint16_t *x, const uint32_t *filter,
                       const float *bias, void *out, size_t first, size_t last, size_t first_panel,
                       size_t last_panel, void *scratch) {
    (void)p, (void)x, (void)filter, (void)bias, (void)out, (void)first, (void)last, (void)first_panel;
    (void)last_panel, (void)scratch;
    __builtin_trap();
}

#endif

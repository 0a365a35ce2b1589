#include "vectorize.h"
#include "wide_points.h"
#include "wide_vectors.h"

#include <string.h>

// With d a tile of pixels and g a kernel: y = A^T [(G g G^T) * (B^T d B)] A. The products of a tile's points are taken for
// all tiles and channels at once, which makes them matrix products.

static size_t tiles_across(const rectifid_wide_pictures *p) {
    return (p->width + wide_step(p->kind) - 1) / wide_step(p->kind);
}

size_t rectifid_wide_tiles(const rectifid_wide_pictures *p) {
    return (p->height + wide_step(p->kind) - 1) / wide_step(p->kind) * tiles_across(p);
}

static size_t points_of(const rectifid_wide_pictures *p) { return wide_points(p->kind) * wide_points(p->kind); }

size_t rectifid_wide_block(const rectifid_wide_pictures *p) {
    // A filter that stays in the caches costs little to go through again; another must repay being streamed.
    const size_t filter = points_of(p) * rectifid_wide_numbers(p->channels, p->outputs) * sizeof(float);
    return filter <= 8 << 20 ? 48 : 96;
}

// Rows are apart by more than their length: lengths that are powers of two would put all points of a pixel into the same
// few lines of the cache.
typedef struct {
    float *points;   // [points][tiles][channels]
    float *products; // [points][tiles][columns]
    float *part;     // [RECTIFID_WIDE_STEPS][RECTIFID_PANEL] of a filter's transpose
    float *zeros;    // [channels]
    size_t stride, apart;                   // of points: between tiles and between points
    size_t product_stride, products_apart;  // the same of products
    size_t bytes;
} workplace;

static workplace arranged(const rectifid_wide_pictures *p, size_t tiles, size_t columns, void *scratch) {
    workplace w = {.points = scratch, .stride = p->channels + 16, .product_stride = columns + 16};
    w.apart = tiles * w.stride + 16, w.products_apart = tiles * w.product_stride + 16;
    // Where a tile has one result, its points' products are summed at once.
    const size_t kept = wide_results(p->kind) == 1 ? 1 : points_of(p);
    w.products = w.points + points_of(p) * w.apart;
    w.part = w.products + kept * w.products_apart;
    w.zeros = w.part + RECTIFID_WIDE_STEPS * RECTIFID_PANEL;
    w.bytes = sizeof(float)
              * (points_of(p) * w.apart + kept * w.products_apart + RECTIFID_WIDE_STEPS * RECTIFID_PANEL + p->channels);
    return w;
}

size_t rectifid_wide_scratch_bytes(const rectifid_wide_pictures *p, size_t tiles, size_t panels) {
    return arranged(p, tiles, panels * RECTIFID_PANEL, NULL).bytes;
}

// B^T along one axis.
INLINE void pixel_points(const eight *d, eight *points, const rectifid_wide_kind kind) {
#pragma clang fp contract(fast)
    switch (kind) {
    case RECTIFID_WIDE_BY_TWO:
        points[0] = d[0] - d[2], points[1] = d[1] + d[2], points[2] = d[2] - d[1], points[3] = d[1] - d[3];
        break;
    case RECTIFID_WIDE_BY_FOUR: {
        // Of the points a and 1 / a: x (x^2 - 1 / a^2) (x + a), x (x^2 - a^2) (x + 1 / a) and their mirror images.
        const float a = 1.5f, square = 2.25f, inverse = 4.f / 9;
        const eight even = d[4] - inverse * d[2], odd = a * (d[3] - inverse * d[1]);
        const eight even_inverse = d[4] - square * d[2], odd_inverse = (d[3] - square * d[1]) * (1 / a);
        points[0] = (d[0] + d[4]) - (square + inverse) * d[2];
        points[1] = even + odd, points[2] = even - odd;
        points[3] = even_inverse + odd_inverse, points[4] = even_inverse - odd_inverse;
        points[5] = (d[1] + d[5]) - (square + inverse) * d[3];
        break;
    }
    // With s the sum of a kernel's g: the repeated pixels a a b b c c give g0 (a - b) + s b and s b + g2 (c - b).
    case RECTIFID_WIDE_ENLARGING: points[0] = d[0] - d[1], points[1] = d[1], points[2] = d[2] - d[1]; break;
    // And pixel b has its derivative from four results: g2 (d0 + d1) + g1 (d1 + d2) + g0 (d2 + d3), by the same points.
    case RECTIFID_WIDE_SHRINKING:
        points[0] = d[3] - d[1], points[1] = d[1] + d[2], points[2] = d[0] - d[2];
        break;
    }
}

// B^T d B of one tile, all channels: `pixels` are its pixels, `points` its rows, `apart` numbers apart.
INLINE void transform_tile(const float *const *pixels, size_t channels, float *points, size_t apart,
                           const rectifid_wide_kind kind) {
    const size_t side = wide_side(kind), count = wide_points(kind);
    for (size_t c = 0; c < channels; c += 8) {
        eight rows[6][6];
        for (size_t y = 0; y < side; y++) {
            eight d[6];
            for (size_t x = 0; x < side; x++) d[x] = *(const eight *)(pixels[side * y + x] + c);
            pixel_points(d, rows[y], kind);
        }
        for (size_t x = 0; x < count; x++) {
            eight column[6], down[6];
            for (size_t y = 0; y < side; y++) column[y] = rows[y][x];
            pixel_points(column, down, kind);
            for (size_t y = 0; y < count; y++) *(eight *)(points + (count * y + x) * apart + c) = down[y];
        }
    }
}

// The same of all tiles.
INLINE void transform_tiles_of(const rectifid_wide_pictures *p, const workplace *w, const float *x, size_t first,
                               size_t last, const rectifid_wide_kind kind) {
    const size_t across = tiles_across(p), side = wide_side(kind), step = wide_step(kind);
    const size_t tiles = rectifid_wide_tiles(p), size = p->height * p->width * p->channels;
    for (size_t tile = first; tile < last; tile++) {
        const float *picture = x + tile / tiles * size, *pixels[MOST_WIDE_POINTS];
        const size_t top = step * (tile % tiles / across), left = step * (tile % tiles % across);
        for (size_t i = 0; i < side * side; i++) {
            // From one row and column before the tile; what lies before the picture wraps round to large numbers.
            const size_t row = top + i / side - 1, column = left + i % side - 1;
            pixels[i] =
                row < p->height && column < p->width ? picture + (row * p->width + column) * p->channels : w->zeros;
        }
        transform_tile(pixels, p->channels, w->points + (tile - first) * w->stride, w->apart, kind);
    }
}

RECTIFID_VECTORIZE
static void transform_tiles(const rectifid_wide_pictures *p, const workplace *w, const float *x, size_t first,
                            size_t last) {
    switch (p->kind) {
    case RECTIFID_WIDE_BY_TWO: transform_tiles_of(p, w, x, first, last, RECTIFID_WIDE_BY_TWO); break;
    case RECTIFID_WIDE_BY_FOUR: transform_tiles_of(p, w, x, first, last, RECTIFID_WIDE_BY_FOUR); break;
    case RECTIFID_WIDE_ENLARGING: transform_tiles_of(p, w, x, first, last, RECTIFID_WIDE_ENLARGING); break;
    case RECTIFID_WIDE_SHRINKING: transform_tiles_of(p, w, x, first, last, RECTIFID_WIDE_SHRINKING); break;
    }
}

// A^T along one axis.
INLINE void point_results(const eight *m, eight *results, const rectifid_wide_kind kind) {
#pragma clang fp contract(fast)
    switch (kind) {
    case RECTIFID_WIDE_BY_TWO:
        results[0] = m[0] + (m[1] + m[2]), results[1] = (m[1] - m[2]) - m[3];
        break;
    case RECTIFID_WIDE_BY_FOUR: {
        const float a = 1.5f, inverse = 2.f / 3;
        const eight sum = m[1] + m[2], difference = m[1] - m[2];
        const eight inverse_sum = m[3] + m[4], inverse_difference = m[3] - m[4];
        results[0] = m[0] + (inverse * sum - a * inverse_sum);
        results[1] = difference - inverse_difference;
        results[2] = a * sum - inverse * inverse_sum;
        results[3] = (a * a * difference - inverse * inverse * inverse_difference) + m[5];
        break;
    }
    case RECTIFID_WIDE_ENLARGING: results[0] = m[0] + m[1], results[1] = m[1] + m[2]; break;
    case RECTIFID_WIDE_SHRINKING: results[0] = m[0]; break;
    }
}

// A^T m A of one tile and 8 outputs; `products` are `apart` numbers apart.
INLINE void tile_results(const float *products, size_t apart, const float *bias, eight results[4][4],
                         const rectifid_wide_kind kind) {
    const size_t count = kind == RECTIFID_WIDE_SHRINKING ? 1 : wide_points(kind), side = wide_results(kind);
    eight rows[4][6];
    for (size_t x = 0; x < count; x++) {
        eight column[6], down[4];
        for (size_t y = 0; y < count; y++) column[y] = *(const eight *)(products + (count * y + x) * apart);
        point_results(column, down, kind);
        for (size_t y = 0; y < side; y++) rows[y][x] = down[y];
    }
    for (size_t y = 0; y < side; y++) {
        point_results(rows[y], results[y], kind);
        if (bias)
            for (size_t x = 0; x < side; x++) results[y][x] += *(const eight *)bias;
    }
}

// The results of `columns` outputs from `column` on.
INLINE void write_tiles_of(const rectifid_wide_pictures *p, const workplace *w, const float *bias, float *out,
                           size_t first, size_t last, size_t column, size_t columns, const rectifid_wide_kind kind) {
    const size_t across = tiles_across(p), tiles = rectifid_wide_tiles(p), side = wide_results(kind);
    const size_t times = kind == RECTIFID_WIDE_ENLARGING ? 2 : 1, part = kind == RECTIFID_WIDE_SHRINKING ? 2 : 1;
    const size_t height = p->height * times / part, width = p->width * times / part;
    for (size_t tile = first; tile < last; tile++) {
        const size_t top = side * (tile % tiles / across), left = side * (tile % tiles % across);
        const size_t down = height - top < side ? height - top : side, right = width - left < side ? width - left : side;
        float *to = out + ((tile / tiles * height + top) * width + left) * p->outputs + column;
        const float *products = w->products + (tile - first) * w->product_stride;
        for (size_t o = 0; o < columns; o += 8) {
            eight results[4][4];
            tile_results(products + o, w->products_apart, bias ? bias + column + o : NULL, results, kind);
            for (size_t y = 0; y < down; y++)
                for (size_t x = 0; x < right; x++) *(eight *)(to + (y * width + x) * p->outputs + o) = results[y][x];
        }
    }
}

RECTIFID_VECTORIZE
static void write_tiles(const rectifid_wide_pictures *p, const workplace *w, const float *bias, float *out, size_t first,
                        size_t last, size_t from, size_t columns) {
    switch (p->kind) {
    case RECTIFID_WIDE_BY_TWO:
        write_tiles_of(p, w, bias, out, first, last, from, columns, RECTIFID_WIDE_BY_TWO);
        break;
    case RECTIFID_WIDE_BY_FOUR:
        write_tiles_of(p, w, bias, out, first, last, from, columns, RECTIFID_WIDE_BY_FOUR);
        break;
    case RECTIFID_WIDE_ENLARGING:
        write_tiles_of(p, w, bias, out, first, last, from, columns, RECTIFID_WIDE_ENLARGING);
        break;
    case RECTIFID_WIDE_SHRINKING:
        write_tiles_of(p, w, bias, out, first, last, from, columns, RECTIFID_WIDE_SHRINKING);
        break;
    }
}

// The derivative is the convolution with the kernel turned round, outputs and channels exchanged. Turning it round
// exchanges the points 0 and infinity, and a point with its inverse: kernels are scaled so that nothing else changes. On
// repeated pixels the points stay what they are: which pixels they are multiplied by differs.
static size_t turned(rectifid_wide_kind kind, size_t point) {
    static const size_t orders[3][6] = {{0, 1, 2}, {3, 1, 2, 0}, {5, 3, 4, 1, 2, 0}};
    const size_t count = wide_points(kind), *order = orders[count == 3 ? 0 : count == 4 ? 1 : 2];
    return count * order[point / count] + order[point % count];
}

// What one product takes of a filter: `steps` from `k` on of a panel of a point's matrix.
typedef struct {
    size_t point, k, steps, column, width;
} filter_part;

static filter_part part_of(const rectifid_wide_pictures *p, size_t index, size_t first_panel, size_t panels) {
    const size_t parts = (p->channels + RECTIFID_WIDE_STEPS - 1) / RECTIFID_WIDE_STEPS * panels;
    filter_part part = {.point = index / parts, .k = index % parts / panels * RECTIFID_WIDE_STEPS};
    part.steps = p->channels - part.k < RECTIFID_WIDE_STEPS ? p->channels - part.k : RECTIFID_WIDE_STEPS;
    part.column = (first_panel + index % panels) * RECTIFID_PANEL;
    part.width = panel_width(part.column, p->outputs);
    return part;
}

// Where it lies in the filter; in that of a derivative, panels of `outputs` x `channels`, as blocks to be transposed. The
// processor foresees how the former go on, the latter not.
static rectifid_ahead source_of(const rectifid_wide_pictures *p, const float *filter, const filter_part *part) {
    const size_t numbers = rectifid_wide_numbers(p->channels, p->outputs);
    if (!p->derivative) {
        const float *from = filter + part->point * numbers + part->column * p->channels + part->k * part->width;
        return (rectifid_ahead){from, 1, part->steps * part->width / 16, 0};
    }
    const float *matrix = filter + turned(p->kind, part->point) * numbers;
    const size_t width = panel_width(part->k, p->channels);
    return (rectifid_ahead){matrix + part->k * p->outputs + part->column * width,
                            (part->steps + RECTIFID_PANEL - 1) / RECTIFID_PANEL, part->width * width / 16,
                            RECTIFID_PANEL * p->outputs * sizeof *matrix};
}

// The products of all points with the filter's panels [first_panel, last_panel).
static void multiply_points(const rectifid_wide_pictures *p, const workplace *w, const float *filter, size_t tiles,
                            size_t first_panel, size_t last_panel) {
    const bool sums = wide_results(p->kind) == 1;
    const size_t panels = last_panel - first_panel, numbers = rectifid_wide_numbers(p->channels, p->outputs);
    const size_t all = points_of(p) * ((p->channels + RECTIFID_WIDE_STEPS - 1) / RECTIFID_WIDE_STEPS) * panels;
    filter_part part = part_of(p, 0, first_panel, panels);
    rectifid_ahead source = source_of(p, filter, &part);
    for (size_t index = 0; index < all; index++) {
        const filter_part next = part_of(p, index + 1 < all ? index + 1 : index, first_panel, panels);
        const rectifid_ahead ahead = source_of(p, filter, &next);
        if (p->derivative)
            rectifid_wide_transpose(filter + turned(p->kind, part.point) * numbers, p->outputs, p->channels,
                                    part.column, part.width, part.k, part.steps, w->part);
        float *products = w->products + (sums ? 0 : part.point * w->products_apart);
        rectifid_wide_product(w->points + part.point * w->apart + part.k, w->stride,
                              p->derivative ? w->part : source.from, part.steps,
                              products + part.column - first_panel * RECTIFID_PANEL, w->product_stride, tiles,
                              part.width, part.k > 0 || (sums && part.point > 0), p->derivative ? &ahead : NULL);
        part = next, source = ahead;
    }
}

void rectifid_wide_convolve(const rectifid_wide_pictures *p, const float *x, const float *filter, const float *bias,
                            float *out, size_t first, size_t last, size_t first_panel, size_t last_panel,
                            void *scratch) {
    const size_t from = first_panel * RECTIFID_PANEL, end = last_panel * RECTIFID_PANEL;
    const size_t columns = (end < p->outputs ? end : p->outputs) - from;
    const workplace w = arranged(p, last - first, (last_panel - first_panel) * RECTIFID_PANEL, scratch);
    memset(w.zeros, 0, p->channels * sizeof *w.zeros);
    transform_tiles(p, &w, x, first, last);
    multiply_points(p, &w, filter, last - first, first_panel, last_panel);
    write_tiles(p, &w, bias, out, first, last, from, columns);
}

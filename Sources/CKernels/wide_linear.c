#include "wide_linear.h"
#include "narrow_factor.h"
#include "vectorize.h"
#include "wide_product.h"
#include "wide_vectors.h"

// Steps along the inner extent of a round: an even share, whole panels.
static size_t steps_of(size_t inner) {
    const size_t rounds = (inner + RECTIFID_WIDE_STEPS - 1) / RECTIFID_WIDE_STEPS, even = (inner + rounds - 1) / rounds;
    return (even + RECTIFID_PANEL - 1) / RECTIFID_PANEL * RECTIFID_PANEL;
}

size_t rectifid_wide_linear_numbers(size_t rows) { return (rows + RECTIFID_WIDE_STEPS) * RECTIFID_PANEL; }

// What one product takes of the weights: `steps` from `k` on of a panel of the map.
typedef struct {
    size_t k, steps, column, width;
} part;

static part part_of(const rectifid_wide_map *map, size_t index, size_t first_panel) {
    const size_t steps = steps_of(map->inner), rounds = (map->inner + steps - 1) / steps;
    part p = {.k = index % rounds * steps, .column = (first_panel + index / rounds) * RECTIFID_PANEL};
    p.steps = map->inner - p.k < steps ? map->inner - p.k : steps;
    p.width = panel_width(p.column, map->outputs);
    return p;
}

// Where it lies in memory; in a derivative's weights as blocks to be transposed, one of each of their panels.
static rectifid_ahead source_of(const rectifid_wide_map *map, const part *p) {
    if (!map->derivative)
        return (rectifid_ahead){.from = map->weights + p->column * map->inner + p->k * p->width,
                                .runs = 1, .lines = p->steps * p->width / 16};
    const size_t stride = panel_width(p->k, map->inner);
    return (rectifid_ahead){.from = map->weights + p->k * map->outputs + p->column * stride,
                            .runs = (p->steps + RECTIFID_PANEL - 1) / RECTIFID_PANEL, .lines = p->width * stride / 16,
                            .apart = RECTIFID_PANEL * map->outputs * sizeof *map->weights};
}

RECTIFID_VECTORIZE
static void write_rows(const float *sums, const float *restrict bias, float *restrict out, size_t stride, size_t rows,
                       size_t width) {
    for (size_t r = 0; r < rows; r++, sums += RECTIFID_PANEL, out += stride)
        for (size_t c = 0; c < width; c += 16) {
            sixteen sum = *(const sixteen *)(sums + c);
            if (bias) sum += *(const sixteen *)(bias + c);
            *(sixteen *)(out + c) = sum;
        }
}

// Panels are the outer loop: their sums stay in the second cache, where rows of the result, many numbers apart, would push
// each other out.
void rectifid_wide_linear(const rectifid_wide_map *map, size_t first, size_t last, size_t first_panel, size_t last_panel,
                          float *scratch) {
    const size_t rounds = (map->inner + steps_of(map->inner) - 1) / steps_of(map->inner);
    const size_t all = (last_panel - first_panel) * rounds, rows = last - first;
    float *sums = scratch, *turned = scratch + rows * RECTIFID_PANEL;
    for (size_t index = 0; index < all; index++) {
        const part now = part_of(map, index, first_panel);
        const part next = part_of(map, index + 1 < all ? index + 1 : index, first_panel);
        const rectifid_ahead source = source_of(map, &now), ahead = source_of(map, &next);
        if (map->derivative)
            rectifid_wide_transpose(map->weights, map->outputs, map->inner, now.column, now.width, now.k, now.steps,
                                    turned);
        rectifid_wide_product(map->x + first * map->inner + now.k, map->inner, map->derivative ? turned : source.from,
                              now.steps, sums, RECTIFID_PANEL, rows, now.width, now.k > 0, &ahead);
        if ((index + 1) % rounds == 0)
            write_rows(sums, map->bias ? map->bias + now.column : NULL, map->out + first * map->outputs + now.column,
                       map->outputs, rows, now.width);
    }
}

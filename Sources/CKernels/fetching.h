// Fetching what the next product needs while this one is computed, a line per step.
#pragma once
#include "exponential.h"
#include "narrow_product.h"

typedef struct {
    const rectifid_ahead *ahead;
    size_t next, last; // lines, counted through all runs
    size_t each;       // of a tile of the product
} fetching;

// For a product of so many tiles; `ahead` may be NULL.
INLINE fetching fetching_ahead(const rectifid_ahead *ahead, size_t tiles) {
    const size_t lines = ahead ? ahead->runs * ahead->lines : 0;
    return (fetching){.ahead = ahead, .last = lines, .each = tiles > 0 ? (lines + tiles - 1) / tiles : 0};
}

// At most `most` of the next lines, those that lie together.
INLINE size_t take_lines(fetching *f, size_t most, const char **from) {
    if (f->next >= f->last) return 0;
    const size_t run = f->next / f->ahead->lines, within = f->next % f->ahead->lines;
    const size_t there = f->ahead->lines - within, lines = there < most ? there : most;
    *from = (const char *)f->ahead->from + run * f->ahead->apart + 64 * within;
    f->next += lines;
    return lines;
}

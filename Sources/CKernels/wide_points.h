// What filters and pictures share: how tiles of each kind look along one axis.
#pragma once
#include "narrow_factor.h"
#include "wide_product.h"
#include "wide_winograd.h"

// Points and results of a tile, its pixels, and pixels between tiles.
static inline size_t wide_points(rectifid_wide_kind kind) {
    return kind == RECTIFID_WIDE_BY_FOUR ? 6 : kind == RECTIFID_WIDE_BY_TWO ? 4 : 3;
}
static inline size_t wide_results(rectifid_wide_kind kind) {
    return kind == RECTIFID_WIDE_BY_FOUR ? 4 : kind == RECTIFID_WIDE_SHRINKING ? 1 : 2;
}
static inline size_t wide_side(rectifid_wide_kind kind) {
    return kind == RECTIFID_WIDE_BY_FOUR ? 6 : kind == RECTIFID_WIDE_ENLARGING ? 3 : 4;
}
static inline size_t wide_step(rectifid_wide_kind kind) {
    return kind == RECTIFID_WIDE_BY_FOUR ? 4 : kind == RECTIFID_WIDE_ENLARGING ? 1 : 2;
}

enum { MOST_WIDE_POINTS = 36 };

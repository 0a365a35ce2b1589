// What filters and pictures share.
#pragma once
#include "narrow_product.h"
#include "winograd.h"

// Points per axis.
static inline size_t points_of_axis(rectifid_winograd_kind kind) { return kind == RECTIFID_WINOGRAD_SAME ? 4 : 3; }

enum { MOST_POINTS = 16 };

// Columns of a panel; columns are multiples of 16.
static inline size_t panel_width(size_t panel, size_t columns) {
    const size_t rest = columns - panel * RECTIFID_PANEL;
    return rest < RECTIFID_PANEL ? rest : RECTIFID_PANEL;
}

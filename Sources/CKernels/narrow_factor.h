// How factors of bfloat16 numbers are packed: see narrow_product.h.
#pragma once
#include "narrow_product.h"

static inline size_t pairs_of(size_t inner) { return (inner + 1) / 2; }
static inline size_t padded_columns(size_t columns) { return (columns + 15) / 16 * 16; }

// Columns of the panel that begins at `column`.
static inline size_t panel_width(size_t column, size_t columns) {
    const size_t rest = padded_columns(columns) - column;
    return rest < RECTIFID_PANEL ? rest : RECTIFID_PANEL;
}

// What filters and pictures share.
#pragma once
#include "narrow_factor.h"
#include "winograd.h"

// Points per axis.
static inline size_t points_of_axis(rectifid_winograd_kind kind) { return kind == RECTIFID_WINOGRAD_SAME ? 4 : 3; }

enum { MOST_POINTS = 16 };

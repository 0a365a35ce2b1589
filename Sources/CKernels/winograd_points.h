// What filters and pictures share.
#pragma once
#include "narrow_factor.h"
#include "winograd.h"

// Points per axis.
static inline size_t points_of_axis(rectifid_winograd_kind kind) { return kind == RECTIFID_WINOGRAD_SAME ? 4 : 3; }

// The point of a filter that the transposed filter has as its `point`. The derivative is the convolution with the kernel
// turned round, outputs and channels exchanged. Turning it round exchanges the first and the last of the four points of an
// axis and leaves the others. On repeated pixels the points stay what they are: which pixels they multiply differs.
static inline size_t transposed_point(rectifid_winograd_kind kind, size_t point) {
    static const size_t turned[4] = {3, 1, 2, 0};
    return kind == RECTIFID_WINOGRAD_SAME ? 4 * turned[point / 4] + turned[point % 4] : point;
}

enum { MOST_POINTS = 16 };

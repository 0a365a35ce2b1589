/// Vectorised float32 kernels of the CPU device: plain C loops, compiled once per x86-64 level and chosen at load time.
///
/// Legend: `n` elements or rows, `c` channels (innermost, contiguous), `h`, `w` height and width. Every buffer is row
/// major and contiguous unless strides are given. Nothing here allocates, locks or keeps state, and every kernel works
/// on the range it is given, so that the caller decides how to split the work over threads.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "activations.h"
#include "elementwise.h"
#include "layout.h"
#include "narrow_product.h"
#include "narrow_attention.h"
#include "normalization.h"
#include "pausing.h"
#include "peak.h"
#include "resampling.h"
#include "wide_attention.h"
#include "wide_linear.h"
#include "wide_product.h"
#include "wide_winograd.h"
#include "winograd.h"

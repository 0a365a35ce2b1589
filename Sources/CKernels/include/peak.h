/// Loops that do nothing but what a processor is fastest at, to compare operations with.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Multiplies and adds in registers alone, in bfloat16 where `narrow` and rectifid_has_narrow_product(), else in float32.
/// Returns how many multiplications and additions that was.
double rectifid_peak_products(bool narrow, size_t rounds);

/// Reads `count` words from first to last; returns their sum.
uint64_t rectifid_peak_read(const uint64_t *words, size_t count);

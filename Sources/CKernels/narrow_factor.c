#include "narrow_factor.h"
#include "narrow_vectors.h"
#include "vectorize.h"

#include <string.h>

size_t rectifid_packed_panels(size_t columns) { return (columns + RECTIFID_PANEL - 1) / RECTIFID_PANEL; }

size_t rectifid_packed_words(size_t inner, size_t columns) { return pairs_of(inner) * padded_columns(columns); }

RECTIFID_VECTORIZE
void rectifid_pack_transposed(const uint16_t *x, size_t stride, size_t columns, size_t inner, uint32_t *packed) {
    const size_t pairs = pairs_of(inner);
    for (size_t from = 0; from < padded_columns(columns); from += RECTIFID_PANEL) {
        const size_t width = panel_width(from, columns);
        uint32_t *panel = packed + from * pairs;
        for (size_t i = 0; i < width; i++) {
            const uint16_t *row = x + (from + i) * stride;
            for (size_t k = 0; k < pairs; k++) {
                const uint32_t low = from + i < columns ? row[2 * k] : 0;
                const uint32_t high = from + i < columns && 2 * k + 1 < inner ? row[2 * k + 1] : 0;
                panel[k * width + i] = low | high << 16;
            }
        }
    }
}

RECTIFID_VECTORIZE
void rectifid_pack(const uint16_t *x, size_t stride, size_t inner, size_t columns, uint32_t *packed) {
    const size_t pairs = pairs_of(inner);
    for (size_t from = 0; from < padded_columns(columns); from += RECTIFID_PANEL) {
        const size_t width = panel_width(from, columns), there = columns - from < width ? columns - from : width;
        uint32_t *panel = packed + from * pairs;
        for (size_t k = 0; k < pairs; k++, panel += width) {
            const uint16_t *even = x + 2 * k * stride + from;
            if (2 * k + 1 < inner)
                for (size_t i = 0; i < there; i++) panel[i] = (uint32_t)even[i] | (uint32_t)even[stride + i] << 16;
            else
                for (size_t i = 0; i < there; i++) panel[i] = even[i];
            for (size_t i = there; i < width; i++) panel[i] = 0;
        }
    }
}

#if defined(__x86_64__)

// 8 x 8 numbers of 64 bits.
STEP void transpose_8x8(__m512i r[8]) {
    __m512i s[8];
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        // Quarters 0 and 2, then 1 and 3, of two rows each; then of those.
        const __m512i a = _mm512_shuffle_i64x2(s[i], s[2 + i], 0x88), b = _mm512_shuffle_i64x2(s[i], s[2 + i], 0xdd);
        const __m512i c = _mm512_shuffle_i64x2(s[4 + i], s[6 + i], 0x88);
        const __m512i d = _mm512_shuffle_i64x2(s[4 + i], s[6 + i], 0xdd);
        r[i] = _mm512_shuffle_i64x2(a, c, 0x88), r[4 + i] = _mm512_shuffle_i64x2(a, c, 0xdd);
        r[2 + i] = _mm512_shuffle_i64x2(b, d, 0x88), r[6 + i] = _mm512_shuffle_i64x2(b, d, 0xdd);
    }
}

// 16 x 16 numbers: rows of pairs along one extent, `from_stride` words apart, to rows of pairs along the other. Two
// neighbours of a row are a square of 2 x 2 numbers, which is turned in its place; then the squares are.
// Then the like will be turned `apart` words further on, where the processor does not foresee it.
STEP void transpose_run(const uint32_t *from, size_t from_stride, size_t apart, uint32_t *to, size_t to_stride) {
    const __m512i turn = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    __m512i rows[8];
    for (size_t r = 0; r < 8; r++) {
        rows[r] = _mm512_shuffle_epi8(_mm512_loadu_si512(from + r * from_stride), turn);
        _mm_prefetch((const char *)(from + r * from_stride + apart), _MM_HINT_T0);
    }
    transpose_8x8(rows);
    for (size_t r = 0; r < 8; r++) _mm512_storeu_si512(to + r * to_stride, rows[r]);
}

NARROW
void rectifid_transpose_panel(const uint32_t *packed, size_t inner, size_t columns, size_t panel, uint32_t *transposed) {
    const size_t from = panel * RECTIFID_PANEL, width = panel_width(from, inner);
    for (size_t column = 0; column < columns; column += 16) {
        const size_t source = column / RECTIFID_PANEL * RECTIFID_PANEL, stride = panel_width(source, columns);
        const uint32_t *rows = packed + source * (inner / 2) + column % RECTIFID_PANEL;
        for (size_t i = 0; i < width; i += 16)
            transpose_run(rows + (from + i) / 2 * stride, stride, RECTIFID_PANEL * (inner / 2),
                          transposed + column / 2 * width + i, width);
    }
}

#else

void rectifid_transpose_panel(const uint32_t *packed, size_t inner, size_t columns, size_t panel, uint32_t *transposed) {
    (void)packed, (void)inner, (void)columns, (void)panel, (void)transposed;
    __builtin_trap();
}

#endif

void rectifid_transpose_packed(const uint32_t *packed, size_t inner, size_t columns, size_t first, size_t last,
                               uint32_t *transposed) {
    for (size_t panel = first; panel < last; panel++)
        rectifid_transpose_panel(packed, inner, columns, panel, transposed + panel * RECTIFID_PANEL * (columns / 2));
}

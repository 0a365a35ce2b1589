/// Matrix products of bfloat16 numbers with float32 sums; x86-64 processors with AVX-512 BF16 only.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Whether this processor can run the products below; calling them elsewhere is an illegal instruction.
bool rectifid_has_narrow_product(void);

/// Columns of the right factor lie in panels of this many (the last one in 16, 32 or 48), each panel as
/// [pairs][columns], a pair being two neighbours along the inner extent in one word: what the instruction takes.
#define RECTIFID_PANEL 48

/// Words of a packed factor of `inner` x `columns`.
size_t rectifid_packed_words(size_t inner, size_t columns);
/// Panels of a packed factor, the unit in which factors are transposed and results computed.
size_t rectifid_packed_panels(size_t columns);
/// Packs the transpose of x [columns, inner], whose rows are `stride` apart.
void rectifid_pack_transposed(const uint16_t *x, size_t stride, size_t columns, size_t inner, uint32_t *packed);
/// Packs x [inner, columns].
void rectifid_pack(const uint16_t *x, size_t stride, size_t inner, size_t columns, uint32_t *packed);
/// One panel of the transpose of a packed factor of `inner` x `columns`, multiples of 16.
void rectifid_transpose_panel(const uint32_t *packed, size_t inner, size_t columns, size_t panel, uint32_t *transposed);
/// Panels [first, last) of the transpose of a packed factor of `inner` x `columns`, multiples of 16.
void rectifid_transpose_packed(const uint32_t *packed, size_t inner, size_t columns, size_t first, size_t last,
                               uint32_t *transposed);

/// Memory that the next product will need, to be fetched into the caches while this one is computed: `runs` of so many
/// `lines` of 64 bytes, whose beginnings are `apart` bytes apart.
typedef struct {
    const void *from;
    size_t runs, lines, apart;
} rectifid_ahead;

/// C[rows, columns] (+)= A[rows, 2 pairs] B, with B the pairs [first_pair, first_pair + pairs) of a packed factor of
/// `all_pairs`, from its column `first_column` on, a multiple of RECTIFID_PANEL. Columns are rounded up to 8: `c` must
/// hold them. Rows of A are `a_stride` numbers apart, those of C `c_stride`. `ahead` may be NULL.
void rectifid_narrow_product(const uint16_t *a, size_t a_stride, const uint32_t *b, size_t all_pairs,
                             size_t first_pair, size_t pairs, size_t first_column, float *c, size_t c_stride,
                             size_t rows, size_t columns, bool accumulate, const rectifid_ahead *ahead);

/// Rows [first_row, last_row) and panels [first_panel, last_panel) of out[rows, outputs] = x[rows, inner] B + bias, with B a
/// packed factor of `inner` x `outputs`, an even number and a multiple of 16. The result is bfloat16 where `narrow`, else
/// float32; `bias` may be NULL.
void rectifid_narrow_linear(const uint16_t *x, size_t inner, const uint32_t *matrix, size_t outputs, const float *bias,
                            void *out, bool narrow, size_t first_row, size_t last_row, size_t first_panel,
                            size_t last_panel);

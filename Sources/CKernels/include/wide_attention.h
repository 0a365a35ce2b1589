/// Attention of float32 numbers block by block, in the manner of Dao and others 2022 (arXiv 2205.14135), and its derivative:
/// blocks of scores stay in the first caches and are never kept. One head at a time, whose size is a multiple of 8.
#pragma once
#include <stddef.h>

/// Rows of c numbers times a factor; rows are `from_stride` and `to_stride` apart.
void rectifid_wide_copy(const float *from, size_t from_stride, float factor, float *to, size_t to_stride, size_t rows,
                        size_t c);

/// Queries that rectifid_wide_attend() takes at most.
#define RECTIFID_ATTENTION_ROWS 64

/// Numbers of the keys and values of a head, packed.
size_t rectifid_wide_attention_numbers(size_t keys, size_t size);
/// Packs keys k and values v [keys, size], whose rows are `stride` apart.
void rectifid_wide_attention_pack(const float *k, const float *v, size_t stride, size_t keys, size_t size, float *packed);
/// Numbers of scratch memory of rectifid_wide_attend().
size_t rectifid_wide_attend_numbers(size_t size);
/// out = softmax(scale q k^T) v of `rows` queries, and the log-sum-exp of their scores; rows of q and `out` are `stride`
/// apart. `scratch` is aligned to 64 bytes.
void rectifid_wide_attend(const float *q, size_t stride, size_t rows, const float *packed, size_t keys, size_t size,
                          float scale, float *lse, float *out, float *scratch);

/// Keys of a block of a derivative.
#define RECTIFID_ATTENTION_KEYS 240

/// A head whose derivative is asked for; rows are `stride` apart, but for `lse`.
typedef struct {
    const float *q, *k, *v, *output, *dy, *lse;
    size_t stride, queries, keys, size;
    float scale;
} rectifid_wide_head;

/// Numbers of scratch memory of rectifid_wide_attention_gradient().
size_t rectifid_wide_attention_gradient_numbers(size_t queries, size_t size);
/// What keys [first, last) give to the queries' derivative, dq [queries, size] with rows padded to a multiple of 16; those
/// keys' and values' derivatives, rows `stride` apart, where dk and dv are not NULL. `scratch` is aligned to 64 bytes.
void rectifid_wide_attention_gradient(const rectifid_wide_head *head, size_t first, size_t last, float *dq, float *dk,
                                      float *dv, float *scratch);

// SPDX-License-Identifier: MIT
// oneDNN's products as building blocks of limn's own kernels: between matrices with any row pitch,
// each run by one thread of the kernel with working memory of its own. Private to
// engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_DNNL_PRODUCT_H
#define LIMN_ENGINE_DEVICE_CPU_DNNL_PRODUCT_H

#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/dnnl.h"

// A matrix (rows,columns), one row every `pitch` elements.
static inline struct onednn_arg
product_matrix(int64_t rows, int64_t columns, int64_t pitch, enum dtype dtype)
{
    return (struct onednn_arg){.rank = 3, .dim = {1, rows, columns},
                               .stride = {rows * pitch, pitch, 1}, .dtype = dtype};
}

static inline struct onednn_arg
product_transposed(struct onednn_arg a)
{
    return (struct onednn_arg){.rank = 3, .dim = {1, a.dim[2], a.dim[1]},
                               .stride = {a.stride[0], 1, a.stride[1]}, .dtype = a.dtype};
}

// result = left right, computed by the thread that runs it alone: the library splits a product over
// the number of threads set when it is created. NULL if not supported. Raises *pad to the bytes of
// working memory it needs.
static inline struct onednn_call *
product_create(struct onednn_arg left, struct onednn_arg right, struct onednn_arg result,
               size_t *pad)
{
    struct onednn_params p = {
        .kind = ONEDNN_MATMUL,
        .arg = {[ONEDNN_SOURCE] = left, [ONEDNN_WEIGHTS] = right, [ONEDNN_RESULT] = result}};
    int threads = cpu_threads_set(1);
    struct onednn_call *call = onednn_call_create(&p);
    cpu_threads_set(threads);
    if (call)
        *pad = MAX(*pad, onednn_call_scratch(call));
    return call;
}

// Also frees the array. NULL is fine, and so are entries that are NULL.
static inline void
product_destroy_all(struct onednn_call **calls, int64_t count)
{
    for (int64_t i = 0; calls && i < count; i++)
        onednn_call_destroy(calls[i]);
    free(calls);
}

// n rounded up to a multiple of `unit`. Matrix units take 16 rows and sums of 32 products at a
// time, and the library's products of other sizes cost two to three times as much, so padding with
// zeros pays.
static inline int64_t
product_padded(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

// The size, a multiple of `unit`, of blocks near `each` that divide `all` evenly; the last one is
// padded with zeros.
static inline int64_t
product_block(int64_t all, int64_t each, int64_t unit)
{
    int64_t blocks = MAX(1, (all + each / 2) / each);
    return product_padded((all + blocks - 1) / blocks, unit);
}

// The next `bytes` of `base`, aligned to 64 bytes; base NULL: only counts them in *used.
static inline void *
product_take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return at;
}

#endif

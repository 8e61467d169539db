// SPDX-License-Identifier: MIT
// Products of the library as parts of a kernel of ours: between matrices whose rows lie anywhere,
// in memory that a thread of the kernel has to itself. Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_DNNL_PRODUCT_H
#define LIMN_ENGINE_DEVICE_CPU_DNNL_PRODUCT_H

#include "engine/base/mem.h"
#include "engine/device/cpu/dnnl.h"

// (rows,columns), a row every `pitch` elements.
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

// result = left right, on the thread that runs it: the library divides a product by the threads
// there are when it is made. NULL if it does not take it. *pad becomes large enough for its working
// memory.
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

// The next piece of memory, for vectors; base NULL: only counted in *used.
static inline void *
product_take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return at;
}

#endif

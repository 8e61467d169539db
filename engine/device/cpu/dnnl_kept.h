// SPDX-License-Identifier: MIT
// Packed copies of constant weights. Calls that want the same tensor in the same layout share one,
// whatever their plan, so that a model is in memory once as it was read and once as packed for
// products, however many plans it has. Any thread. Private to dnnl*.c.
#ifndef LIMN_ENGINE_DEVICE_CPU_DNNL_KEPT_H
#define LIMN_ENGINE_DEVICE_CPU_DNNL_KEPT_H

#include "engine/device/cpu/dnnl_api.h"

#ifdef HAVE_DNNL

struct onednn_kept;

// The copy, of `size` bytes and layout `inner`, of the tensor at `at`, of layout `outer`. at NULL:
// a copy that is not shared. Adds the bytes that it needs to *bytes, or nothing if the copy exists
// already. NULL: no memory.
struct onednn_kept *onednn_kept_get(const void *at, dnnl_memory_t outer, dnnl_memory_t inner,
                                    size_t size, size_t *bytes);
void onednn_kept_release(struct onednn_kept *k); // the last release frees it; NULL is fine
void *onednn_kept_data(const struct onednn_kept *k);

// True if the copy has not been filled yet: the caller then fills it and calls onednn_kept_end()
// (NULL is fine); until then other threads wait here.
bool onednn_kept_begin(struct onednn_kept *k);
void onednn_kept_end(struct onednn_kept *k);

#endif

#endif

// SPDX-License-Identifier: MIT
// Packed copies of weights that do not change. Calls of any plan that want the same tensor in the
// same layout share one, so that a model is in memory once as it was read and once as products
// want it, however many plans it has. Any thread. Private to dnnl*.c.
#ifndef LIMN_ENGINE_DEVICE_CPU_DNNL_KEPT_H
#define LIMN_ENGINE_DEVICE_CPU_DNNL_KEPT_H

#include "engine/device/cpu/dnnl_api.h"

#ifdef HAVE_DNNL

struct onednn_kept;

// The copy, `size` bytes, of the tensor at `at`, which lies as `outer` says, as `inner` says. NULL
// as `at`: one of its own. Adds the bytes that it needs to *bytes, nothing where the copy is there
// already. NULL: no memory.
struct onednn_kept *onednn_kept_get(const void *at, dnnl_memory_t outer, dnnl_memory_t inner,
                                    size_t size, size_t *bytes);
void onednn_kept_release(struct onednn_kept *k); // the last one frees it; NULL is fine
void *onednn_kept_data(const struct onednn_kept *k);

// Whether the copy is still to be filled; then nobody else can until onednn_kept_end(), which takes
// NULL.
bool onednn_kept_begin(struct onednn_kept *k);
void onednn_kept_end(struct onednn_kept *k);

#endif

#endif

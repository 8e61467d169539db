// SPDX-License-Identifier: MIT
// Weights in blocks to rows of numbers, with this processor's instructions. Private to
// engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_PACKED_ROWS_H
#define LIMN_ENGINE_DEVICE_CPU_PACKED_ROWS_H

#include "engine/device/cpu/cpu.h"

// `count` weights, whole blocks of type `from`, to f32 or bf16.
typedef void packed_rows_fn(enum dtype to, void *dst, enum dtype from, const void *blocks,
                            int64_t count);

// The product that has such weights on its right (dnnl_packed.c), for the table.
void onednn_add_packed(struct cpu_table *t, packed_rows_fn *unpack);

#endif

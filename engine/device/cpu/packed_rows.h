// SPDX-License-Identifier: MIT
// Quantised weights and the rows of numbers they stand for, with this processor's instructions.
// Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_PACKED_ROWS_H
#define LIMN_ENGINE_DEVICE_CPU_PACKED_ROWS_H

#include "engine/device/cpu/cpu.h"

// Converts `count` weights, in whole blocks of type `from`, to f32 or bf16.
typedef void packed_rows_fn(enum dtype to, void *dst, enum dtype from, const void *blocks,
                            int64_t count);

// Adds the product with such weights on its right (dnnl_packed.c) to the table.
void onednn_add_packed(struct cpu_table *t, packed_rows_fn *unpack);

#endif

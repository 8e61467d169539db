// SPDX-License-Identifier: MIT
// Products in the processor's matrix units. Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_TILES_H
#define LIMN_ENGINE_DEVICE_CPU_TILES_H

#include "engine/device/cpu/packed_rows.h"

extern size_t tiles_stretch_bytes; // of weights in order at a time; tests make it smaller

// Puts the product before all others in the table, where there are such units and the system lets
// this process use them. `unpack`: of weights in blocks.
void tiles_add(struct cpu_table *t, packed_rows_fn *unpack);

#endif

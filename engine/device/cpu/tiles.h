// SPDX-License-Identifier: MIT
// Matrix products in the processor's matrix units (AMX). Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_TILES_H
#define LIMN_ENGINE_DEVICE_CPU_TILES_H

#include "engine/device/cpu/packed_rows.h"

extern size_t tiles_stretch_bytes; // weights reordered at a time; tests make it smaller

// Makes this product the first candidate in the table, if the processor has such units and the
// system lets this process use them. `unpack`: for quantised weights.
void tiles_add(struct cpu_table *t, packed_rows_fn *unpack);

#endif

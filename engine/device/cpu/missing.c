// SPDX-License-Identifier: MIT
// Stands in until the fast kernels are linked.
#include "engine/device/cpu/cpu.h"
__attribute__((weak)) void
cpu_add_dnnl(struct cpu_table *t)
{
    (void)t;
}
__attribute__((weak)) void
cpu_add_fast(struct cpu_table *t)
{
    (void)t;
}

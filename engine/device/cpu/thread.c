// SPDX-License-Identifier: MIT
// One pool of threads for everything on the CPU: OpenMP's, which oneDNN uses as well.
#include "engine/device/cpu/cpu.h"

#include <omp.h>

#include "engine/base/mem.h"

int
cpu_threads(void)
{
    return omp_get_max_threads();
}

int
cpu_threads_set(int n)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(n);
    return before;
}

void
cpu_parallel(int64_t n, int64_t grain, void (*body)(void *ctx, int64_t first, int64_t last),
             void *ctx)
{
    int64_t pieces = grain > 0 ? n / grain : n;
    pieces = MAX(1, MIN(pieces, cpu_threads()));
    if (n <= 0)
        return;
    if (pieces == 1 || omp_in_parallel()) {
        body(ctx, 0, n);
        return;
    }
#pragma omp parallel for schedule(static, 1) num_threads((int)pieces)
    for (int64_t i = 0; i < pieces; i++)
        body(ctx, n * i / pieces, n * (i + 1) / pieces);
}

// SPDX-License-Identifier: MIT
#ifndef LIMN_ENGINE_BASE_CLOCK_H
#define LIMN_ENGINE_BASE_CLOCK_H

#include <time.h>

// Seconds since an arbitrary moment, for durations. Setting the system's clock does not affect it.
static inline double
clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif

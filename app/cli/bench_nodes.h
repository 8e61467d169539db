// SPDX-License-Identifier: MIT
// Where the time of a plan goes, as `limn bench ops` prints it on standard output.
#ifndef LIMN_APP_CLI_BENCH_NODES_H
#define LIMN_APP_CLI_BENCH_NODES_H

#include "engine/device/device.h"

// The ops by time, then the slowest ops and shapes with their rates, from `runs` runs of the plan
// since plan_profile(). `ceilings` are those of the same device and element type.
void bench_nodes_print(const struct plan *p, const struct device_ceilings *ceilings, int runs);

#endif

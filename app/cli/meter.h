// SPDX-License-Identifier: MIT
// The progress of long work, as a changing line on standard error; only on a terminal.
#ifndef LIMN_APP_CLI_METER_H
#define LIMN_APP_CLI_METER_H

#include <stdbool.h>
#include <stddef.h>

struct meter {
    bool terminal;
    double shown; // when, as clock_seconds()
};

struct meter meter_open(void);
// Shows "12 of 300 WHAT", at most ten times a second and at the end. `ctx`: a struct meter.
void meter_show(void *ctx, const char *what, size_t done, size_t total);

#endif

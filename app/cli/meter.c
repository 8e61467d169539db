// SPDX-License-Identifier: MIT
#include "app/cli/meter.h"

#include <stdio.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "engine/base/clock.h"

struct meter
meter_open(void)
{
    return (struct meter){.terminal = command_terminal(STDERR_FILENO)};
}

void
meter_show(void *ctx, const char *what, size_t done, size_t total)
{
    struct meter *m = ctx;
    double t = clock_seconds();
    if (!m->terminal || !done || (t - m->shown < 0.1 && done < total))
        return;
    m->shown = t;
    fprintf(stderr, "\r%zu of %zu %s\033[K%s", done, total, what, done == total ? "\n" : "");
}

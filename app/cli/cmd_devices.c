// SPDX-License-Identifier: MIT
// limn devices: what can compute here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "engine/base/mem.h"
#include "engine/device/device.h"
#include "sandbox/sandbox.h"

enum { DEVICES_MAX = 32 };

static int
run(const struct command_line *line)
{
    (void)line;
    struct device_info *list = mem_zalloc(DEVICES_MAX * sizeof *list);
    int count = device_list(list, DEVICES_MAX);
    for (int i = 0; i < count; i++) {
        const struct device_info *d = &list[i];
        if (d->reason[0]) {
            printf("%-10s cannot be used: %s%s%s\n", d->name, d->text, d->text[0] ? ": " : "",
                   d->reason);
            continue;
        }
        printf("%-10s %s\n", d->name, d->text);
        if (!d->memory)
            continue;
        printf("%-10s %.1f GiB of memory", "", (double)d->memory / 0x1p30);
        if (d->available)
            printf(", %.1f free", (double)d->available / 0x1p30);
        printf("; types: f32%s%s%s\n", d->bf16 ? ", bf16" : "", d->f16 ? ", f16" : "",
               d->matrix ? "; matrix units" : "");
    }
    free(list);
    if (sandbox_lacks())
        printf("%-10s %s\n", "sandbox", sandbox_lacks());
    return 0;
}

const struct command command_devices = {
    .name = "devices",
    .summary = "list the devices to compute on",
    .run = run,
    .computes = true,
    .away = "they are that machine's",
};

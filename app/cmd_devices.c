// SPDX-License-Identifier: MIT
// limn devices: what can compute here.
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "engine/base/mem.h"
#include "engine/device/device.h"

int
cmd_devices(int argc, char **argv)
{
    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
        fputs("usage: limn devices\n", help ? stdout : stderr);
        return help ? 0 : 2;
    }
    static const char *const names[] = {"cpu", "null"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct err err = {0};
        struct device *d = device_open(names[i], &err);
        if (!d) {
            printf("%-8s cannot be used: %s\n", names[i], err.text);
            continue;
        }
        const struct device_limits *l = device_limits(d);
        printf("%-8s %s\n", names[i], l->name);
        if (l->memory)
            printf("%-8s %.1f GiB of memory; fast types: f32%s%s\n", "",
                   (double)l->memory / 0x1p30, l->bf16 ? ", bf16" : "", l->f16 ? ", f16" : "");
        device_close(d);
    }
    return 0;
}

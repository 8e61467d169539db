// SPDX-License-Identifier: MIT
// A theme, and its colours in terminals of 256 and of 8.
#include <stdlib.h>

#include "app/ui/theme.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct theme t = {0};
    bool ok = theme_read(&t, fuzz_file("a.theme", data, size), &err);
    fuzz_said(ok ? "" : NULL, &err);
    for (int i = 0; ok && i < ROLE_COUNT; i++) {
        int32_t colour = t.styles[i].fg;
        if (colour >= 0 && colour < COLOUR_NAMED &&
            (theme_nearest((uint32_t)colour, 256) > 255 || theme_nearest((uint32_t)colour, 8) > 7))
            abort();
    }
    return 0;
}

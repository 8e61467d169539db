// SPDX-License-Identifier: MIT
// A person's file of keys; what is printed of it is such a file, and says the same again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/keys.h"
#include "engine/base/xdg.h"
#include "tests/fuzz/fuzz.h"

static char *file;

void
fuzz_begin(void)
{
    free(xdg_make(XDG_CONFIG, "", NULL));
    file = xdg_path(XDG_CONFIG, "keys");
}

static char *
printed(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    keys_print(out);
    fclose(out);
    return text;
}

static bool
load(const void *data, size_t size)
{
    struct err err = {0};
    FILE *f = fopen(file, "w");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        abort();
    bool ok = keys_load(&err);
    fuzz_said(ok ? "" : NULL, &err);
    return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    load(data, size);
    char *first = printed();
    if (!load(first, strlen(first)))
        abort();
    char *second = printed();
    if (strcmp(first, second) != 0)
        abort();
    free(first);
    free(second);
    return 0;
}

// SPDX-License-Identifier: MIT
// A script of the UI, read and not played. Patterns that repeat so many times are left out: the C
// library's regcomp() takes any memory for them.
#include <string.h>

#include "app/ui/script.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    int columns = 0, rows = 0;
    if (size && memchr(data, '{', size))
        return 0;
    struct script *s = script_open(fuzz_file("a.script", data, size), &err);
    fuzz_said(s, &err);
    if (s)
        script_size(s, &columns, &rows);
    script_close(s);
    return 0;
}

// SPDX-License-Identifier: MIT
// The log of a training, read in two parts as it grows, and its curve.
#include <stdlib.h>

#include "app/ui/trainlog.h"
#include "tests/fuzz/fuzz.h"

enum { COLUMNS = 32 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct trainlog t;
    double means[COLUMNS];
    const char *path = fuzz_file("log.jsonl", data, size / 2);
    char *folder = realpath(fuzz_path(""), NULL);
    (void)path;
    bool ok = folder && trainlog_open(&t, folder, &err);
    if (ok) {
        fuzz_file("log.jsonl", data, size);
        trainlog_read(&t);
        trainlog_curve(&t, COLUMNS, 5, means);
        trainlog_close(&t);
    }
    free(folder);
    return 0;
}

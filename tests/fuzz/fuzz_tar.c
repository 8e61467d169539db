// SPDX-License-Identifier: MIT
// A tar archive whose headers' sums are put right first, so that what they say is looked at.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/data/tar.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

enum { BLOCK = 512, SUM_AT = 148, SUM_SIZE = 8, SIZE_AT = 124 };

static void
mend_sum(uint8_t *header)
{
    unsigned sum = 0;
    memset(header + SUM_AT, ' ', SUM_SIZE);
    for (int i = 0; i < BLOCK; i++)
        sum += header[i];
    char digits[SUM_SIZE];
    snprintf(digits, sizeof digits, "%06o", sum & 0777777);
    memcpy(header + SUM_AT, digits, sizeof digits - 1);
}

static void
mend(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + BLOCK <= size;) {
        uint64_t content = strtoull((char *)bytes + at + SIZE_AT, NULL, 8);
        mend_sum(bytes + at);
        at += BLOCK + (content < size ? (content + BLOCK - 1) / BLOCK * BLOCK : 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct data_tar tar = {0};
    uint8_t *bytes = mem_zalloc(size + 1);
    memcpy(bytes, data, size);
    mend(bytes, size);
    bool ok = data_tar_open(&tar, fuzz_file("a.tar", bytes, size), LIMIT_TAR_ENTRIES, &err);
    fuzz_said(ok ? "" : NULL, &err);
    for (size_t i = 0; ok && i < tar.count; i++) {
        fuzz_use_text(tar.entries[i].name);
        fuzz_use(tar.entries[i].data, tar.entries[i].size);
        if (!data_tar_find(&tar, tar.entries[i].name))
            abort();
    }
    data_tar_close(&tar);
    free(bytes);
    return 0;
}

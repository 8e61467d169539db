// SPDX-License-Identifier: MIT
// An instruction and its references' own words: a line each. The first byte is the first marker.
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/text/instruction.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t picture[2 * 2 * 3];
    struct instruction_span spans[64];
    struct err err = {0};
    if (!size)
        return 0;
    char *text = mem_strndup((const char *)data + 1, size - 1), *rest = NULL;
    int marker = data[0] % 101;
    struct instruction n = {.text = mem_strdup(strtok_r(text, "\n", &rest) ?: "")};
    int count = instruction_spans(n.text, spans, COUNT_OF(spans), &err);
    for (int i = 0; i < count && i < (int)COUNT_OF(spans); i++)
        fuzz_use(n.text + spans[i].start, spans[i].length);
    err_clear(&err);
    for (char *words; (words = strtok_r(NULL, "\n", &rest));)
        if (!instruction_add(&n, marker++, words, 2, 2, picture, &err))
            break;
    fuzz_said(err.code == ERR_NONE ? "" : NULL, &err);
    err_clear(&err);
    bool ok = instruction_check(&n, &err);
    fuzz_said(ok ? "" : NULL, &err);
    instruction_finish(&n);
    free(text);
    return 0;
}

// SPDX-License-Identifier: MIT
// A sentencepiece model. The library itself is not instrumented.
#include <stdlib.h>

#include "engine/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

enum { TOKENS = 64 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    int32_t ids[TOKENS];
    struct tokenizer *t = tokenizer_open(fuzz_file("spiece.model", data, size), &err);
    fuzz_said(t, &err);
    if (!t)
        return 0;
    int count = tokenizer_encode(t, "a [ref#1] fox \xe2\x9c\x93 in the style of [ref#22]", ids,
                                 TOKENS, &err);
    for (int i = 0; i < count && i < TOKENS; i++)
        if (ids[i] < 0 || ids[i] >= tokenizer_vocab_size(t))
            abort();
    if (count > 0) {
        char *text = tokenizer_decode(t, ids, count < TOKENS ? count : TOKENS);
        fuzz_use_text(text);
        free(text);
    }
    tokenizer_marker_max(t);
    tokenizer_close(t);
    return 0;
}

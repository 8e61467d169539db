// SPDX-License-Identifier: MIT
// The files of a byte-pair tokenizer: a GGUF file where it begins so, else the first byte says
// which: tokenizer.json; or vocab.json and, behind a byte of 255 each, merges.txt and
// added_tokens.json.
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

enum { TOKENS = 64 };

static const char *
write_files(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "added_tokens.json"};
    if (size >= 4 && memcmp(data, "GGUF", 4) == 0)
        return fuzz_file("tokenizer.gguf", data, size);
    if (!(data[0] & 1))
        return fuzz_file("tokenizer.json", data + 1, size - 1);
    const uint8_t *at = data + 1, *end = data + size;
    for (int i = 0; i < 3; i++) {
        const uint8_t *stop = at < end && i < 2 ? memchr(at, 255, (size_t)(end - at)) : NULL;
        stop = stop ? stop : end;
        fuzz_file(names[i], at, (size_t)(stop - at));
        at = stop < end ? stop + 1 : end;
    }
    return fuzz_path("vocab.json");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    int32_t ids[TOKENS];
    if (!size)
        return 0;
    struct tokenizer *t = tokenizer_open(write_files(data, size), &err);
    fuzz_said(t, &err);
    if (!t)
        return 0;
    int count = tokenizer_encode(t, "a [ref#1] fox \xe2\x9c\x93 in caf\xc3\xa9s [ref#22] 123", ids,
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

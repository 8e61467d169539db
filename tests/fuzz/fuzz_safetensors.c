// SPDX-License-Identifier: MIT
// A safetensors file: header, metadata, every tensor.
#include <stdlib.h>

#include "engine/tensor/safetensors.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct safetensors *s = safetensors_open(fuzz_file("a.safetensors", data, size), &err);
    fuzz_said(s, &err);
    if (!s)
        return 0;
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const struct tensor_view *v = safetensors_at(s, i);
        char text[SHAPE_TEXT_MAX];
        fuzz_use(v->data, v->size);
        fuzz_use_text(shape_text(&v->shape, text));
        if (safetensors_find(s, v->name) != v)
            abort();
    }
    const char *value;
    for (size_t i = 0; i < safetensors_metadata_count(s); i++) {
        fuzz_use_text(safetensors_metadata_at(s, i, &value));
        fuzz_use_text(value);
    }
    safetensors_close(s);
    return 0;
}

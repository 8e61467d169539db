// SPDX-License-Identifier: MIT
// The head of a GGUF file (llama.cpp): magic, version, two counts, then keys and values. The
// tensors that follow belong to engine/tensor/gguf.h, the tokenizer in the values to engine/text.
// No count is trusted: none sizes an allocation, and reading stops at the end of the file.
#ifndef LIMN_ENGINE_BASE_GGUF_VALUES_H
#define LIMN_ENGINE_BASE_GGUF_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

enum gguf_type { GGUF_U32 = 4, GGUF_I32 = 5, GGUF_STRING = 8, GGUF_ARRAY = 9, GGUF_TYPES = 13 };

// Bytes in memory, read from the front; little-endian.
struct gguf_reader {
    const unsigned char *data;
    size_t size, at;
    bool short_; // a read went past the end
};
uint64_t gguf_whole(struct gguf_reader *r, int bytes);

// Not terminated; NULL and 0 where there was none.
struct gguf_text {
    const char *at;
    size_t size;
};
struct gguf_text gguf_text(struct gguf_reader *r);
bool gguf_text_is(struct gguf_text t, const char *text);

// One value, or the elements of an array.
struct gguf_value {
    struct gguf_text key;
    enum gguf_type type; // of an element
    bool array;
    uint64_t count;              // of an array, else 1
    struct gguf_reader elements; // at the first; all are known to lie inside the file
};

struct gguf_values {
    struct gguf_reader r; // after what was read
    const char *path;
    uint64_t tensors, left; // values
    uint64_t at;
};

bool gguf_is(const void *data, size_t size);
// Starts at the first value. Fails with ERR_INPUT. `path` begins errors and is borrowed.
bool gguf_values_begin(struct gguf_values *v, const void *data, size_t size, const char *path,
                       struct err *err);
// The next one; false with err->code ERR_NONE: there are no more.
bool gguf_values_next(struct gguf_values *v, struct gguf_value *value, struct err *err);

#endif

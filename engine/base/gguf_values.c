// SPDX-License-Identifier: MIT
#include "engine/base/gguf_values.h"

#include <string.h>

// Bytes of a value by its type; 0: its length is in it.
static const size_t value_size[GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

// The next bytes; NULL: they are not there.
static const unsigned char *
read_bytes(struct gguf_reader *r, uint64_t size)
{
    if (r->short_ || size > r->size - r->at) {
        r->short_ = true;
        return NULL;
    }
    r->at += size;
    return r->data + r->at - size;
}

uint64_t
gguf_whole(struct gguf_reader *r, int bytes)
{
    const unsigned char *p = read_bytes(r, (uint64_t)bytes);
    uint64_t n = 0;
    for (int i = bytes - 1; p && i >= 0; i--)
        n = n << 8 | p[i];
    return n;
}

struct gguf_text
gguf_text(struct gguf_reader *r)
{
    uint64_t n = gguf_whole(r, 8);
    const unsigned char *p = read_bytes(r, n);
    return (struct gguf_text){(const char *)p, p ? (size_t)n : 0};
}

bool
gguf_text_is(struct gguf_text t, const char *text)
{
    return t.at && t.size == strlen(text) && memcmp(t.at, text, t.size) == 0;
}

bool
gguf_is(const void *data, size_t size)
{
    return size >= 4 && memcmp(data, "GGUF", 4) == 0;
}

bool
gguf_values_begin(struct gguf_values *v, const void *data, size_t size, const char *path,
                  struct err *err)
{
    *v = (struct gguf_values){.r = {data, size, 4, false}, .path = path};
    if (!gguf_is(data, size))
        return err_set(err, ERR_INPUT, "%s: no GGUF file", path);
    uint64_t version = gguf_whole(&v->r, 4);
    v->tensors = gguf_whole(&v->r, 8);
    v->left = gguf_whole(&v->r, 8);
    return (!v->r.short_ && version >= 2 && version <= 3) ||
           err_set(err, ERR_INPUT, "%s: GGUF version %llu; limn reads versions 2 and 3", path,
                   (unsigned long long)version);
}

static bool
pass_elements(struct gguf_values *v, const struct gguf_value *value)
{
    uint64_t bytes;
    if (value->type != GGUF_STRING)
        return !__builtin_mul_overflow(value->count, (uint64_t)value_size[value->type], &bytes) &&
               read_bytes(&v->r, bytes);
    for (uint64_t i = 0; i < value->count && !v->r.short_; i++)
        gguf_text(&v->r);
    return true;
}

bool
gguf_values_next(struct gguf_values *v, struct gguf_value *value, struct err *err)
{
    if (!v->left)
        return false;
    v->left--;
    v->at++;
    *value = (struct gguf_value){.key = gguf_text(&v->r), .count = 1};
    uint64_t type = gguf_whole(&v->r, 4);
    value->array = type == GGUF_ARRAY;
    if (value->array) {
        type = gguf_whole(&v->r, 4);
        value->count = gguf_whole(&v->r, 8);
    }
    value->type = (enum gguf_type)type;
    value->elements = v->r;
    bool known = type < GGUF_TYPES && type != GGUF_ARRAY; // arrays of arrays are not
    return (known && pass_elements(v, value) && !v->r.short_) ||
           err_set(err, ERR_INPUT, "%s: value %llu of the header is broken or truncated", v->path,
                   (unsigned long long)v->at);
}

// SPDX-License-Identifier: MIT
#include "engine/tensor/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/tensor/packed.h"

enum value_type {
    VALUE_U32 = 4,
    VALUE_I32 = 5,
    VALUE_STRING = 8,
    VALUE_ARRAY = 9,
    VALUE_TYPES = 13
};

// Bytes of a value by its type; 0: its length is in it.
static const size_t value_size[VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static const struct {
    uint32_t number;
    enum dtype dtype;
} plain[] = {{0, DTYPE_F32}, {1, DTYPE_F16}, {30, DTYPE_BF16}, {28, DTYPE_F64}};

struct reader {
    const unsigned char *data;
    size_t size, at;
    bool short_; // more was asked for than there is
};

static const unsigned char *
take(struct reader *r, uint64_t size)
{
    if (r->short_ || size > r->size - r->at) {
        r->short_ = true;
        return NULL;
    }
    r->at += size;
    return r->data + r->at - size;
}

static uint64_t
whole(struct reader *r, int bytes)
{
    const unsigned char *p = take(r, (uint64_t)bytes);
    uint64_t n = 0;
    for (int i = bytes - 1; p && i >= 0; i--)
        n = n << 8 | p[i];
    return n;
}

struct text {
    const char *at;
    size_t size;
};

static struct text
text(struct reader *r)
{
    uint64_t n = whole(r, 8);
    const unsigned char *p = take(r, n);
    return (struct text){(const char *)p, p ? (size_t)n : 0};
}

// The shape that a tensor had before its rows were cut for the blocks.
struct original {
    struct text name;
    struct shape shape;
};

struct header {
    struct reader r;
    uint64_t alignment;
    struct original *originals;
    size_t count, capacity;
};

static void
read_original(struct header *h, struct text key, uint32_t type, uint64_t count)
{
    static const char before[] = "comfy.gguf.orig_shape.";
    const size_t n = sizeof before - 1;
    struct original o = {{key.at + n, key.size - n}, {.rank = (int)count}};
    for (uint64_t i = 0; i < count; i++)
        o.shape.dim[i] = (int64_t)whole(&h->r, 4);
    (void)type;
    ARRAY_PUSH(h->originals, h->count, h->capacity, o);
}

static bool
is_original(struct text key, uint32_t type, uint64_t count)
{
    static const char before[] = "comfy.gguf.orig_shape.";
    return key.size > sizeof before - 1 && memcmp(key.at, before, sizeof before - 1) == 0 &&
           (type == VALUE_I32 || type == VALUE_U32) && count <= SHAPE_RANK_MAX;
}

static bool
skip_array(struct header *h, struct text key)
{
    uint32_t type = (uint32_t)whole(&h->r, 4);
    uint64_t count = whole(&h->r, 8), bytes;
    if (type >= VALUE_TYPES || type == VALUE_ARRAY)
        return false;
    if (!h->r.short_ && is_original(key, type, count)) {
        read_original(h, key, type, count);
        return true;
    }
    if (type != VALUE_STRING)
        return !__builtin_mul_overflow(count, (uint64_t)value_size[type], &bytes) &&
               take(&h->r, bytes);
    for (uint64_t i = 0; i < count && !h->r.short_; i++)
        text(&h->r);
    return true;
}

static bool
read_value(struct header *h)
{
    static const char alignment[] = "general.alignment";
    struct text key = text(&h->r);
    uint32_t type = (uint32_t)whole(&h->r, 4);
    if (h->r.short_ || type >= VALUE_TYPES)
        return false;
    if (type == VALUE_ARRAY)
        return skip_array(h, key);
    if (type == VALUE_STRING)
        return text(&h->r).at || !h->r.short_;
    bool is = key.size == sizeof alignment - 1 && memcmp(key.at, alignment, key.size) == 0;
    if (is && type == VALUE_U32)
        h->alignment = whole(&h->r, 4);
    else
        take(&h->r, value_size[type]);
    return true;
}

static void
set_type(struct tensor_view *v, uint32_t number)
{
    v->packed = packed_type_numbered(number);
    v->type = v->packed ? v->packed->name : "of a type not known here";
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (plain[i].number == number) {
            v->dtype = plain[i].dtype;
            v->type = dtype_name(v->dtype);
        }
}

// Bytes of a tensor; false: its shape is impossible.
static bool
bytes_of(const struct tensor_view *v, size_t *size)
{
    uint64_t count = 1;
    for (int i = 0; i < v->shape.rank; i++)
        if (v->shape.dim[i] < 0 ||
            __builtin_mul_overflow(count, (uint64_t)v->shape.dim[i], &count))
            return false;
    uint64_t each = v->packed ? (uint64_t)v->packed->weights : 1;
    uint64_t unit = v->packed ? (uint64_t)v->packed->bytes : v->dtype ? dtype_size(v->dtype) : 0;
    uint64_t bytes;
    if (count % each || __builtin_mul_overflow(count / each, unit, &bytes))
        return false;
    *size = (size_t)bytes;
    return true;
}

// Name, shape, type; its offset goes to `data` as a number until the header's end is known.
static bool
read_tensor(struct header *h, struct gguf *g, const char *path, struct err *err)
{
    struct text name = text(&h->r);
    uint64_t rank = whole(&h->r, 4);
    struct tensor_view v = {.shape.rank = (int)rank};
    if (h->r.short_ || rank > SHAPE_RANK_MAX)
        return err_set(err, ERR_INPUT, "%s: tensor %zu has no name, or a shape of more than %d "
                       "dimensions", path, g->count + 1, SHAPE_RANK_MAX);
    for (int i = v.shape.rank - 1; i >= 0; i--)
        v.shape.dim[i] = (int64_t)whole(&h->r, 8);
    set_type(&v, (uint32_t)whole(&h->r, 4));
    v.data = (const void *)(uintptr_t)whole(&h->r, 8);
    v.name = mem_strndup(name.at, name.size);
    g->tensors[g->count++] = v;
    if (h->r.short_ || strlen(v.name) != name.size || !bytes_of(&v, &g->tensors[g->count - 1].size))
        return err_set(err, ERR_INPUT, "%s: tensor %.80s has an impossible shape", path, v.name);
    return true;
}

static int
compare_text(struct text a, struct text b)
{
    int order = memcmp(a.at, b.at, MIN(a.size, b.size));
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int
by_name(const void *a, const void *b)
{
    return compare_text(((const struct original *)a)->name, ((const struct original *)b)->name);
}

// The same numbers in another shape; what either claims is not multiplied before it is known to
// fit.
static bool
same_count(const struct shape *a, const struct shape *b)
{
    int64_t count[2] = {1, 1};
    const struct shape *shapes[2] = {a, b};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < shapes[k]->rank; i++)
            if (__builtin_mul_overflow(count[k], shapes[k]->dim[i], &count[k]))
                return false;
    return count[0] == count[1];
}

// The originals are sorted.
static void
restore_shape(const struct header *h, struct tensor_view *v)
{
    const struct original key = {.name = {v->name, strlen(v->name)}};
    const struct original *o =
        h->count ? bsearch(&key, h->originals, h->count, sizeof key, by_name) : NULL;
    if (o && same_count(&o->shape, &v->shape))
        v->shape = o->shape;
}

static bool
place_tensor(const struct header *h, struct tensor_view *v, const char *path, struct err *err)
{
    uint64_t offset = (uintptr_t)v->data, a = h->alignment;
    size_t start = (h->r.at + a - 1) / a * a, end;
    if (start > h->r.size || offset > h->r.size - start ||
        __builtin_add_overflow(offset, v->size, &end) || end > h->r.size - start)
        return err_set(err, ERR_INPUT, "%s: tensor %s lies outside the file (truncated?)", path,
                       v->name);
    v->data = h->r.data + start + offset;
    restore_shape(h, v);
    return true;
}

static bool
read_tensors(struct header *h, struct gguf *g, uint64_t count, const char *path, struct err *err)
{
    g->tensors = mem_zalloc(((size_t)count + 1) * sizeof *g->tensors);
    for (uint64_t i = 0; i < count; i++)
        if (!read_tensor(h, g, path, err))
            return false;
    if (h->count)
        qsort(h->originals, h->count, sizeof *h->originals, by_name);
    for (size_t i = 0; i < g->count; i++)
        if (!place_tensor(h, &g->tensors[i], path, err))
            return false;
    return true;
}

bool
gguf_is(const void *data, size_t size)
{
    return size >= 4 && memcmp(data, "GGUF", 4) == 0;
}

bool
gguf_read(struct gguf *g, const void *data, size_t size, const char *path, struct err *err)
{
    struct header h = {.r = {data, size, 4, false}, .alignment = 32};
    uint64_t version = whole(&h.r, 4), tensors = whole(&h.r, 8), values = whole(&h.r, 8);
    bool ok = !h.r.short_ && version >= 2 && version <= 3;
    if (!ok)
        err_set(err, ERR_INPUT, "%s: GGUF version %llu; limn reads versions 2 and 3", path,
                (unsigned long long)version);
    else if (tensors > LIMIT_SAFETENSORS_TENSORS)
        ok = err_set(err, ERR_INPUT, "%s: it claims %llu tensors, the limit is %d", path,
                     (unsigned long long)tensors, LIMIT_SAFETENSORS_TENSORS);
    for (uint64_t i = 0; ok && i < values; i++)
        ok = (read_value(&h) && !h.r.short_) ||
             err_set(err, ERR_INPUT, "%s: value %llu of the header is broken or truncated", path,
                     (unsigned long long)i + 1);
    if (ok && (h.alignment == 0 || h.alignment > 1 << 20))
        ok = err_set(err, ERR_INPUT, "%s: an alignment of %llu bytes is impossible", path,
                     (unsigned long long)h.alignment);
    ok = ok && read_tensors(&h, g, tensors, path, err);
    free(h.originals);
    return ok;
}

void
gguf_finish(struct gguf *g)
{
    for (size_t i = 0; i < g->count; i++)
        free((char *)(uintptr_t)g->tensors[i].name);
    free(g->tensors);
    *g = (struct gguf){0};
}

// SPDX-License-Identifier: MIT
#include "engine/tensor/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/tensor/packed.h"

static const struct {
    uint32_t number;
    enum dtype dtype;
} plain[] = {{0, DTYPE_F32}, {1, DTYPE_F16}, {30, DTYPE_BF16}, {28, DTYPE_F64}};

// The shape that a tensor had before its rows were cut for the blocks.
struct original {
    struct gguf_text name;
    struct shape shape;
};

struct header {
    struct gguf_values values;
    uint64_t alignment;
    struct original *originals;
    size_t count, capacity;
};

static const char BEFORE[] = "comfy.gguf.orig_shape.";

static bool
is_original(const struct gguf_value *v)
{
    return v->key.size > sizeof BEFORE - 1 && memcmp(v->key.at, BEFORE, sizeof BEFORE - 1) == 0 &&
           v->array && (v->type == GGUF_I32 || v->type == GGUF_U32) && v->count <= SHAPE_RANK_MAX;
}

static void
read_original(struct header *h, const struct gguf_value *v)
{
    const size_t n = sizeof BEFORE - 1;
    struct gguf_reader r = v->elements;
    struct original o = {{v->key.at + n, v->key.size - n}, {.rank = (int)v->count}};
    for (uint64_t i = 0; i < v->count; i++)
        o.shape.dim[i] = (int64_t)gguf_whole(&r, 4);
    ARRAY_PUSH(h->originals, h->count, h->capacity, o);
}

static void
read_value(struct header *h, const struct gguf_value *v)
{
    struct gguf_reader r = v->elements;
    if (is_original(v))
        read_original(h, v);
    else if (!v->array && v->type == GGUF_U32 && gguf_text_is(v->key, "general.alignment"))
        h->alignment = gguf_whole(&r, 4);
}

// Types of GGUF that are not read, so that an error can name them.
static const char *
foreign_type(uint32_t number)
{
    static const char *const names[] = {
        [9] = "Q8_1, which is not known here",     [15] = "Q8_K, which is not known here",
        [16] = "IQ2_XXS, which is not known here", [17] = "IQ2_XS, which is not known here",
        [18] = "IQ3_XXS, which is not known here", [19] = "IQ1_S, which is not known here",
        [21] = "IQ3_S, which is not known here",   [22] = "IQ2_S, which is not known here",
        [29] = "IQ1_M, which is not known here",   [34] = "TQ1_0, which is not known here",
        [35] = "TQ2_0, which is not known here",   [39] = "MXFP4, which is not known here",
    };
    const char *name = number < COUNT_OF(names) ? names[number] : NULL;
    return name ? name : "of a type not known here";
}

static void
set_type(struct tensor_view *v, uint32_t number)
{
    v->packed = packed_type_numbered(number);
    v->type = v->packed ? v->packed->name : foreign_type(number);
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
    struct gguf_reader *r = &h->values.r;
    struct gguf_text name = gguf_text(r);
    uint64_t rank = gguf_whole(r, 4);
    struct tensor_view v = {.shape.rank = (int)rank};
    if (r->short_ || rank > SHAPE_RANK_MAX)
        return err_set(err, ERR_INPUT, "%s: tensor %zu has no name, or a shape of more than %d "
                       "dimensions", path, g->count + 1, SHAPE_RANK_MAX);
    for (int i = v.shape.rank - 1; i >= 0; i--)
        v.shape.dim[i] = (int64_t)gguf_whole(r, 8);
    set_type(&v, (uint32_t)gguf_whole(r, 4));
    v.data = (const void *)(uintptr_t)gguf_whole(r, 8);
    v.name = mem_strndup(name.at, name.size);
    g->tensors[g->count++] = v;
    if (r->short_ || strlen(v.name) != name.size || !bytes_of(&v, &g->tensors[g->count - 1].size))
        return err_set(err, ERR_INPUT, "%s: tensor %.80s has an impossible shape", path, v.name);
    return true;
}

static int
compare_text(struct gguf_text a, struct gguf_text b)
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
    const struct gguf_reader *r = &h->values.r;
    uint64_t offset = (uintptr_t)v->data, a = h->alignment;
    size_t start = (r->at + a - 1) / a * a, end;
    if (start > r->size || offset > r->size - start ||
        __builtin_add_overflow(offset, v->size, &end) || end > r->size - start)
        return err_set(err, ERR_INPUT, "%s: tensor %s lies outside the file (truncated?)", path,
                       v->name);
    v->data = r->data + start + offset;
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
gguf_read(struct gguf *g, const void *data, size_t size, const char *path, struct err *err)
{
    struct header h = {.alignment = 32};
    struct gguf_value value;
    struct err own = {0};
    bool ok = gguf_values_begin(&h.values, data, size, path, &own);
    uint64_t tensors = h.values.tensors;
    if (ok && tensors > LIMIT_SAFETENSORS_TENSORS)
        ok = err_set(&own, ERR_INPUT, "%s: it claims %llu tensors, the limit is %d", path,
                     (unsigned long long)tensors, LIMIT_SAFETENSORS_TENSORS);
    while (ok && h.count <= LIMIT_SAFETENSORS_TENSORS &&
           gguf_values_next(&h.values, &value, &own))
        read_value(&h, &value);
    ok = ok && own.code == ERR_NONE;
    if (ok && h.count > LIMIT_SAFETENSORS_TENSORS)
        ok = err_set(&own, ERR_INPUT, "%s: it has shapes of more than %d tensors", path,
                     LIMIT_SAFETENSORS_TENSORS);
    if (ok && (h.alignment == 0 || h.alignment > 1 << 20))
        ok = err_set(&own, ERR_INPUT, "%s: an alignment of %llu bytes is impossible", path,
                     (unsigned long long)h.alignment);
    ok = ok && read_tensors(&h, g, tensors, path, &own);
    free(h.originals);
    return ok || err_set(err, own.code, "%s", own.text);
}

void
gguf_finish(struct gguf *g)
{
    for (size_t i = 0; i < g->count; i++)
        free((char *)(uintptr_t)g->tensors[i].name);
    free(g->tensors);
    *g = (struct gguf){0};
}

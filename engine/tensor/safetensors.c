// SPDX-License-Identifier: MIT
#include "engine/tensor/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/tensor/gguf.h"
#include "engine/tensor/packed.h"

enum {
    DATA_ALIGNMENT = 64,
};

// One mapped file with its header, which owns the names.
struct shard {
    char *name; // in the index; NULL for a file opened by itself
    struct file_map map;
    struct jv *header;
    struct gguf gguf; // in its place
};

struct safetensors {
    struct shard *shards;
    size_t shard_count;
    struct tensor_view *views; // by shard, then offset
    size_t count, capacity;
    const struct tensor_view **by_name;
};

static const struct {
    const char *name;
    enum dtype dtype;
} stored_types[] = {
    {"F64", DTYPE_F64}, {"F32", DTYPE_F32}, {"F16", DTYPE_F16}, {"BF16", DTYPE_BF16},
    {"I64", DTYPE_I64}, {"I32", DTYPE_I32}, {"U8", DTYPE_U8},   {"BOOL", DTYPE_U8},
};

static uint64_t
read_length(const unsigned char *p)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | p[i];
    return n;
}

static bool
read_shape(struct tensor_view *v, const struct jv *shape, const char *path, struct err *err)
{
    bool known = v->dtype != DTYPE_NONE || v->packed;
    uint64_t total = v->packed ? (uint64_t)v->packed->bytes
                     : known   ? dtype_size(v->dtype)
                               : 1;
    if (!jv_is_array(shape) || jv_size(shape) > SHAPE_RANK_MAX)
        return err_set(err, ERR_INPUT, "%s: tensor %s needs a shape of at most %d dimensions", path,
                       v->name, SHAPE_RANK_MAX);
    v->shape.rank = (int)jv_size(shape);
    for (int i = 0; i < v->shape.rank; i++) {
        const struct jv *d = jv_at(shape, (size_t)i);
        int64_t dim = jv_integer(d, -1);
        if (!jv_is_integer(d) || dim < 0 || __builtin_mul_overflow(total, (uint64_t)dim, &total))
            return err_set(err, ERR_INPUT, "%s: tensor %s has an impossible shape", path, v->name);
        v->shape.dim[i] = dim;
    }
    if (total != v->size && known)
        return err_set(err, ERR_INPUT,
                       "%s: tensor %s needs %llu bytes for its shape, the file gives it %zu", path,
                       v->name, (unsigned long long)total, v->size);
    return true;
}

static bool
read_tensor(struct tensor_view *v, const char *name, const struct jv *entry,
            const unsigned char *data, uint64_t data_size, const char *path, struct err *err)
{
    *v = (struct tensor_view){.name = name, .type = jv_string(jv_get(entry, "dtype"), NULL)};
    if (!v->type)
        return err_set(err, ERR_INPUT, "%s: tensor %s has no type", path, name);
    for (size_t i = 0; i < COUNT_OF(stored_types); i++)
        if (strcmp(v->type, stored_types[i].name) == 0)
            v->dtype = stored_types[i].dtype;
    const struct packed_type *packed = packed_type_named(v->type);
    v->packed = packed && packed->weights == 1 ? packed : NULL; // no blocks in this format
    const struct jv *offsets = jv_get(entry, "data_offsets");
    int64_t first = jv_integer(jv_at(offsets, 0), -1), last = jv_integer(jv_at(offsets, 1), -1);
    if (jv_size(offsets) != 2 || first < 0 || last < first || (uint64_t)last > data_size)
        return err_set(err, ERR_INPUT,
                       "%s: tensor %s lies outside the file (bytes %lld..%lld of %llu)", path, name,
                       (long long)first, (long long)last, (unsigned long long)data_size);
    v->data = data + first;
    v->size = (size_t)(last - first);
    return read_shape(v, jv_get(entry, "shape"), path, err);
}

static int
by_address(const void *a, const void *b)
{
    const struct tensor_view *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

// What `git clone` leaves in place of a large file where git-lfs is not installed.
static bool
is_lfs_pointer(const struct file_map *map)
{
    static const char begin[] = "version https://git-lfs.github.com/spec/";
    return map->size >= sizeof begin - 1 && memcmp(map->data, begin, sizeof begin - 1) == 0;
}

// Views from `first` on in the order of their places, none over another.
static bool
check_places(struct safetensors *st, size_t first, const char *path, struct err *err)
{
    if (st->count > first)
        qsort(st->views + first, st->count - first, sizeof *st->views, by_address);
    for (size_t i = first + 1; i < st->count; i++) {
        const struct tensor_view *a = &st->views[i - 1], *b = &st->views[i];
        if ((const char *)a->data + a->size > (const char *)b->data)
            return err_set(err, ERR_INPUT, "%s: tensors %s and %s overlap", path, a->name, b->name);
    }
    return true;
}

static bool
read_header(struct safetensors *st, struct shard *s, const char *path, struct err *err)
{
    if (is_lfs_pointer(&s->map))
        return err_set(err, ERR_INPUT,
                       "%s: this is a Git LFS pointer, not the weights: run 'git lfs pull' there",
                       path);
    if (s->map.size < 8)
        return err_set(err, ERR_INPUT, "%s: %zu bytes are too few for a safetensors file", path,
                       s->map.size);
    uint64_t length = read_length(s->map.data);
    if (length > LIMIT_SAFETENSORS_HEADER_BYTES && length <= s->map.size - 8)
        return err_set(err, ERR_INPUT, "%s: the header has %llu bytes, the limit is %d", path,
                       (unsigned long long)length, LIMIT_SAFETENSORS_HEADER_BYTES);
    if (length > s->map.size - 8)
        return err_set(err, ERR_INPUT,
                       "%s: the header claims %llu bytes, the file has %zu (truncated, or not a "
                       "safetensors file)",
                       path, (unsigned long long)length, s->map.size - 8);
    const unsigned char *data = s->map.data + 8 + length;
    s->header = jv_parse((const char *)s->map.data + 8, (size_t)length, path, err);
    if (!s->header)
        return false;
    size_t entries = jv_size(s->header), first = st->count;
    if (!jv_is_object(s->header) || entries > LIMIT_SAFETENSORS_TENSORS ||
        st->count + entries > LIMIT_SAFETENSORS_TENSORS)
        return err_set(err, ERR_INPUT, "%s: the header is not a table of at most %d tensors", path,
                       LIMIT_SAFETENSORS_TENSORS);
    for (void *it = jv_iterator(s->header); it; it = jv_next(s->header, it)) {
        if (strcmp(jv_iterator_key(it), "__metadata__") == 0)
            continue;
        struct tensor_view v;
        if (!read_tensor(&v, jv_iterator_key(it), jv_iterator_value(it), data,
                         s->map.size - 8 - length, path, err))
            return false;
        ARRAY_PUSH(st->views, st->count, st->capacity, v);
    }
    return check_places(st, first, path, err);
}

static bool
read_gguf(struct safetensors *st, struct shard *s, const char *path, struct err *err)
{
    size_t first = st->count;
    if (!gguf_read(&s->gguf, s->map.data, s->map.size, path, err))
        return false;
    for (size_t i = 0; i < s->gguf.count; i++)
        ARRAY_PUSH(st->views, st->count, st->capacity, s->gguf.tensors[i]);
    return check_places(st, first, path, err);
}

static bool
open_shard(struct safetensors *st, const char *path, struct err *err)
{
    struct shard *s = &st->shards[st->shard_count++];
    if (!file_map(&s->map, path, err))
        return false;
    return gguf_is(s->map.data, s->map.size) ? read_gguf(st, s, path, err)
                                             : read_header(st, s, path, err);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// All shards that the index names, each once, in the order of their names.
static bool
open_index(struct safetensors *st, const struct jv *index, const char *path, struct err *err)
{
    const struct jv *map = jv_get(index, "weight_map");
    char *folder = file_folder(path);
    const char **files = NULL;
    size_t count = 0, capacity = 0;
    bool ok = true;
    if (!jv_is_object(map))
        ok = err_set(err, ERR_INPUT, "%s: no weight_map in this index", path);
    for (void *it = ok ? jv_iterator(map) : NULL; ok && it; it = jv_next(map, it)) {
        const char *file = jv_string(jv_iterator_value(it), "");
        if (!*file || strchr(file, '/') || strcmp(file, "..") == 0)
            ok = err_set(err, ERR_INPUT, "%s: shard '%s' is not a file of this folder", path, file);
        else
            ARRAY_PUSH(files, count, capacity, file);
    }
    if (ok && count)
        qsort(files, count, sizeof *files, compare_names);
    size_t unique = 0;
    for (size_t i = 0; ok && i < count; i++)
        if (i == 0 || strcmp(files[i], files[i - 1]) != 0)
            files[unique++] = files[i];
    if (ok && unique > LIMIT_SAFETENSORS_SHARDS)
        ok = err_set(err, ERR_INPUT, "%s: %zu shards, the limit is %d", path, unique,
                     LIMIT_SAFETENSORS_SHARDS);
    st->shards = mem_zalloc((unique + 1) * sizeof *st->shards);
    for (size_t i = 0; ok && i < unique; i++) {
        char *shard = file_join(folder, files[i]);
        st->shards[i].name = mem_strdup(files[i]);
        ok = open_shard(st, shard, err);
        free(shard);
    }
    free(files);
    free(folder);
    return ok;
}

static int
compare_views(const void *a, const void *b)
{
    return strcmp((*(const struct tensor_view *const *)a)->name,
                  (*(const struct tensor_view *const *)b)->name);
}

// Every tensor is in the shard that the index says it is in.
static bool
verify_index(const struct safetensors *st, const struct jv *index, const char *path,
             struct err *err)
{
    const struct jv *map = jv_get(index, "weight_map");
    for (void *it = jv_iterator(map); it; it = jv_next(map, it)) {
        const char *file = jv_string(jv_iterator_value(it), "");
        const struct tensor_view *v = safetensors_find(st, jv_iterator_key(it));
        bool found = false;
        for (size_t i = 0; v && i < st->shard_count; i++) {
            const struct file_map *m = &st->shards[i].map;
            const unsigned char *data = v->data;
            found |= data >= m->data && data <= m->data + m->size &&
                     strcmp(st->shards[i].name, file) == 0;
        }
        if (!found)
            return err_set(err, ERR_INPUT, "%s: tensor %s is not in %s", path, jv_iterator_key(it),
                           file);
    }
    return true;
}

struct safetensors *
safetensors_open(const char *path, struct err *err)
{
    struct safetensors *st = mem_zalloc(sizeof *st);
    struct jv *index = NULL;
    size_t n = strlen(path);
    bool ok;
    if (n > 5 && strcmp(path + n - 5, ".json") == 0) {
        index = jv_read(path, err);
        ok = index && open_index(st, index, path, err);
    } else {
        st->shards = mem_zalloc(sizeof *st->shards);
        ok = open_shard(st, path, err);
    }
    if (ok) {
        st->by_name = mem_alloc((st->count + 1) * sizeof *st->by_name);
        for (size_t i = 0; i < st->count; i++)
            st->by_name[i] = &st->views[i];
        qsort(st->by_name, st->count, sizeof *st->by_name, compare_views);
        for (size_t i = 1; ok && i < st->count; i++)
            if (compare_views(&st->by_name[i - 1], &st->by_name[i]) == 0)
                ok = err_set(err, ERR_INPUT, "%s: two shards hold tensor %s", path,
                             st->by_name[i]->name);
    }
    ok = ok && (!index || verify_index(st, index, path, err));
    jv_free(index);
    if (ok)
        return st;
    safetensors_close(st);
    return NULL;
}

void
safetensors_close(struct safetensors *st)
{
    if (!st)
        return;
    for (size_t i = 0; i < st->shard_count; i++) {
        free(st->shards[i].name);
        jv_free(st->shards[i].header);
        gguf_finish(&st->shards[i].gguf);
        file_unmap(&st->shards[i].map);
    }
    free(st->shards);
    free(st->views);
    free(st->by_name);
    free(st);
}

bool
safetensors_check(const struct safetensors *st, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < st->shard_count; i++)
        ok = file_map_check(&st->shards[i].map, err);
    return ok;
}

bool
safetensors_unchanged(const struct safetensors *st, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < st->shard_count; i++)
        ok = file_map_check(&st->shards[i].map, err) &&
             file_map_unchanged(&st->shards[i].map, err);
    return ok;
}

bool
safetensors_stamp(const struct safetensors *st, uint64_t *stamp)
{
    enum { TICK = 2 }; // seconds, of the coarsest clock a file system has
    time_t now = time(NULL);
    bool settled = true;
    uint64_t h = 0;
    for (size_t i = 0; i < st->shard_count; i++) {
        const struct file_map *m = &st->shards[i].map;
        const uint64_t facts[] = {
            m->device, m->inode, m->size,
            (uint64_t)m->modified.tv_sec, (uint64_t)m->modified.tv_nsec,
            (uint64_t)m->changed.tv_sec, (uint64_t)m->changed.tv_nsec};
        for (size_t k = 0; k < COUNT_OF(facts); k++) {
            h = (h ^ facts[k]) * 0x9fb21c651e98df25u;
            h ^= h >> 32;
        }
        settled = settled && (m->changed.tv_sec + TICK < now || m->changed.tv_sec > now + TICK);
    }
    *stamp = h;
    return settled;
}

size_t
safetensors_count(const struct safetensors *st)
{
    return st->count;
}

const struct tensor_view *
safetensors_at(const struct safetensors *st, size_t i)
{
    return i < st->count ? &st->views[i] : NULL;
}

const struct tensor_view *
safetensors_find(const struct safetensors *st, const char *name)
{
    struct tensor_view key = {.name = name};
    const struct tensor_view *k = &key;
    const struct tensor_view **found =
        bsearch(&k, st->by_name, st->count, sizeof *st->by_name, compare_views);
    return found ? *found : NULL;
}

static const struct jv *
metadata_of(const struct safetensors *st)
{
    return st->shard_count ? jv_get(st->shards[0].header, "__metadata__") : NULL;
}

const char *
safetensors_metadata(const struct safetensors *st, const char *key)
{
    return jv_string(jv_get(metadata_of(st), key), NULL);
}

size_t
safetensors_metadata_count(const struct safetensors *st)
{
    return jv_size(metadata_of(st));
}

const char *
safetensors_metadata_at(const struct safetensors *st, size_t i, const char **value)
{
    *value = jv_string(jv_value_at(metadata_of(st), i), "");
    return jv_key_at(metadata_of(st), i);
}

// --- writing

struct safetensors_writer {
    struct file_out out;
    size_t *sizes; // by tensor
    size_t count, current, given; // tensor being filled and its bytes so far
};

static const char *
stored_name(enum dtype t)
{
    for (size_t i = 0; i < COUNT_OF(stored_types); i++)
        if (stored_types[i].dtype == t)
            return stored_types[i].name;
    return NULL;
}

// Header text, padded with spaces so that the data starts aligned. Tensors follow one another
// without gaps, as readers of the format demand; sizes that are multiples of 64 keep all aligned.
static char *
header_text(const struct tensor_view *tensors, size_t count, const char *const *metadata,
            size_t *sizes, struct err *err)
{
    struct jv *root = jv_object();
    uint64_t offset = 0;
    bool ok = true;
    if (metadata && metadata[0]) {
        struct jv *m = jv_object();
        for (size_t i = 0; metadata[i]; i += 2)
            jv_set(m, metadata[i], jv_from_string(metadata[i + 1]));
        jv_set(root, "__metadata__", m);
    }
    for (size_t i = 0; ok && i < count; i++) {
        const struct tensor_view *t = &tensors[i];
        const char *type = stored_name(t->dtype);
        uint64_t size = dtype_size(t->dtype);
        struct jv *shape = jv_array(), *offsets = jv_array(), *entry = jv_object();
        for (int k = 0; k < t->shape.rank; k++) {
            ok = ok && !__builtin_mul_overflow(size, (uint64_t)t->shape.dim[k], &size);
            jv_append(shape, jv_from_integer(t->shape.dim[k]));
        }
        jv_append(offsets, jv_from_integer((int64_t)offset));
        offset += size;
        jv_append(offsets, jv_from_integer((int64_t)offset));
        sizes[i] = (size_t)size;
        ok = ok && type && size < INT64_MAX / 2 && offset < INT64_MAX / 2;
        if (!ok)
            err_set(err, ERR_INPUT, "tensor %s cannot be written: type or size", t->name);
        jv_set(entry, "dtype", jv_from_string(type ? type : "?"));
        jv_set(entry, "shape", shape);
        jv_set(entry, "data_offsets", offsets);
        jv_set(root, t->name, entry);
    }
    char *text = ok ? jv_text(root, 0) : NULL;
    jv_free(root);
    return text;
}

struct safetensors_writer *
safetensors_writer_open(const char *path, const struct tensor_view *tensors, size_t count,
                        const char *const *metadata, struct err *err)
{
    struct safetensors_writer *w = mem_zalloc(sizeof *w);
    w->out.fd = -1;
    w->count = count;
    w->sizes = mem_zalloc((count + 1) * sizeof *w->sizes);
    char *text = header_text(tensors, count, metadata, w->sizes, err);
    bool ok = text && file_out_open(&w->out, path, err);
    if (ok) {
        size_t n = strlen(text), padded = n;
        while ((padded + 8) % DATA_ALIGNMENT)
            padded++;
        unsigned char length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (unsigned char)((uint64_t)padded >> (8 * i));
        char spaces[DATA_ALIGNMENT];
        memset(spaces, ' ', sizeof spaces);
        ok = file_out_write(&w->out, length, 8, err) && file_out_write(&w->out, text, n, err) &&
             file_out_write(&w->out, spaces, padded - n, err);
    }
    free(text);
    if (ok)
        return w;
    safetensors_writer_abort(w);
    return NULL;
}

bool
safetensors_writer_put(struct safetensors_writer *w, const void *data, size_t size, struct err *err)
{
    const char *p = data;
    while (size > 0) {
        while (w->current < w->count && w->given == w->sizes[w->current]) {
            w->current++;
            w->given = 0;
        }
        if (w->current == w->count)
            return err_set(err, ERR_INPUT, "%s: more data than its header declares", w->out.path);
        size_t n = MIN(size, w->sizes[w->current] - w->given);
        if (!file_out_write(&w->out, p, n, err))
            return false;
        p += n;
        size -= n;
        w->given += n;
    }
    return true;
}

bool
safetensors_writer_commit(struct safetensors_writer *w, struct err *err)
{
    return safetensors_writer_commit_keeping(w, NULL, err);
}

bool
safetensors_writer_commit_keeping(struct safetensors_writer *w, const char *previous,
                                  struct err *err)
{
    while (w->current < w->count && w->given == w->sizes[w->current]) {
        w->current++;
        w->given = 0;
    }
    bool ok = w->current == w->count;
    if (!ok)
        err_set(err, ERR_INPUT, "%s: less data than its header declares", w->out.path);
    else
        ok = file_out_commit_keeping(&w->out, previous, err);
    safetensors_writer_abort(w);
    return ok;
}

void
safetensors_writer_abort(struct safetensors_writer *w)
{
    if (!w)
        return;
    if (w->out.path)
        file_out_abort(&w->out);
    free(w->sizes);
    free(w);
}

bool
safetensors_write(const char *path, const struct tensor_view *tensors, size_t count,
                  const char *const *metadata, struct err *err)
{
    struct safetensors_writer *w = safetensors_writer_open(path, tensors, count, metadata, err);
    bool ok = w != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = safetensors_writer_put(w, tensors[i].data, w->sizes[i], err);
    if (!ok) {
        safetensors_writer_abort(w);
        return false;
    }
    return safetensors_writer_commit(w, err);
}

// SPDX-License-Identifier: MIT
// A model's identity: a hash over all its weights. Hashing a large model takes longer than opening
// it, so the hash is cached together with a stamp of the files (safetensors_stamp()).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"
#include "engine/model/model_folder.h"

enum { CACHE_FROM = 64 << 20 }; // bytes of weights; fewer are quick to hash

static int
by_name(const void *a, const void *b)
{
    const struct tensor_view *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static uint64_t
hash_update(uint64_t h, const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t word = 0;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        h = (h ^ word) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    word = size;
    for (size_t i = 0; i < size; i++)
        word = word << 8 | at[i];
    h = (h ^ word) * 0x9fb21c651e98df25u;
    return h ^ h >> 29;
}

static uint64_t
hash_tensors(uint64_t h, const struct safetensors *file)
{
    size_t n = safetensors_count(file);
    const struct tensor_view **sorted = mem_zalloc((n + 1) * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = safetensors_at(file, i);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++) {
        const struct tensor_view *t = sorted[i];
        const char *type = t->dtype == DTYPE_NONE ? t->type : dtype_name(t->dtype);
        h = hash_update(h, t->name, strlen(t->name));
        h = hash_update(h, type, strlen(type));
        h = hash_update(h, t->shape.dim, (size_t)t->shape.rank * sizeof t->shape.dim[0]);
        h = hash_update(h, t->data, t->size);
        file_map_forget(t->data, t->size);
    }
    free(sorted);
    return h;
}

static size_t
tensor_bytes(const struct safetensors *file)
{
    size_t sum = 0;
    for (size_t i = 0; i < safetensors_count(file); i++)
        sum += safetensors_at(file, i)->size;
    return sum;
}

// --- The cache ----------------------------------------------------------------------

// One small file per model folder. NULL: there is no cache folder.
static char *
cache_path(const struct model_folder *m)
{
    struct err err = {0};
    char *folder = xdg_make(XDG_CACHE, "hashes", &err), *whole = realpath(m->path, NULL);
    char *path = NULL;
    if (folder && whole)
        path = mem_printf("%s/%016llx", folder,
                          (unsigned long long)hash_update(0x6c696d6e, whole, strlen(whole)));
    else
        log_line(LOG_INFO, "model", "hashes are not saved: %s", folder ? m->path : err.text);
    free(folder);
    free(whole);
    return path;
}

static bool
cache_read(const char *path, uint64_t stamp, char out[17])
{
    char want[18];
    size_t size = 0;
    snprintf(want, sizeof want, "%016llx ", (unsigned long long)stamp);
    char *text = file_exists(path) ? file_read(path, 64, &size, NULL) : NULL;
    bool ok = text && size == 34 && memcmp(text, want, 17) == 0 &&
              strspn(text + 17, "0123456789abcdef") == 16;
    if (ok)
        snprintf(out, 17, "%.16s", text + 17);
    free(text);
    return ok;
}

static void
cache_write(const char *path, uint64_t stamp, const char hash[17])
{
    struct err err = {0};
    char *text = mem_printf("%016llx %s\n", (unsigned long long)stamp, hash);
    if (!file_write_private(path, text, strlen(text), &err))
        log_line(LOG_INFO, "model", "a hash is not saved: %s", err.text);
    free(text);
}

// --- The hash ---------------------------------------------------------------------------------

static bool
hash_parts(const struct model_folder *m, struct safetensors *const *files, char out[17],
           struct err *err)
{
    uint64_t h = 0x6c696d6e;
    for (int i = 0; i < m->parts.count; i++) {
        const char *name = m->parts.at[i].name;
        if (!files[i])
            continue;
        h = hash_tensors(hash_update(h, name, strlen(name)), files[i]);
        if (!safetensors_check(files[i], err))
            return false;
    }
    snprintf(out, 17, "%016llx", (unsigned long long)h);
    return true;
}

static bool
hash_files(const struct model_folder *m, struct safetensors *const *files, char out[17],
           struct err *err)
{
    uint64_t stamps[PARTS_MAX] = {0}, stamp;
    size_t bytes = 0;
    bool certain = true;
    for (int i = 0; i < m->parts.count; i++) {
        bytes += files[i] ? tensor_bytes(files[i]) : 0;
        certain = certain && (!files[i] || safetensors_stamp(files[i], &stamps[i]));
    }
    stamp = hash_update(0, stamps, sizeof stamps);
    char *path = bytes >= CACHE_FROM ? cache_path(m) : NULL;
    bool known = path && certain && cache_read(path, stamp, out);
    bool ok = known || hash_parts(m, files, out, err);
    if (ok && path && certain && !known)
        cache_write(path, stamp, out);
    free(path);
    return ok;
}

bool
model_folder_hash(const struct model_folder *m, char out[17], struct err *err)
{
    struct safetensors *files[PARTS_MAX] = {0};
    bool ok = true;
    for (int i = 0; ok && i < m->parts.count; i++)
        ok = !m->parts.at[i].weights || (files[i] = safetensors_open(m->parts.at[i].weights, err));
    ok = ok && hash_files(m, files, out, err);
    for (int i = 0; i < m->parts.count; i++)
        safetensors_close(files[i]);
    return ok;
}

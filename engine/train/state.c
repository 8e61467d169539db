// SPDX-License-Identifier: MIT
#include "engine/train/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/tensor/safetensors.h"

static const struct {
    enum slot slot;
    const char *prefix;
} kept[] = {
    {SLOT_PARAMS, "weights/"},
    {SLOT_ADAM_M, "moment1/"},
    {SLOT_ADAM_V, "moment2/"},
    {SLOT_EMA, "average/"},
};

static const int64_t step_most = 1000000000000; // of a recipe

bool
train_state_save(const struct train_state *s, const char *folder, struct err *err)
{
    int count = params_entries(s->params), total = count * (int)COUNT_OF(kept);
    struct tensor_view *views = mem_zalloc((size_t)total * sizeof *views);
    char step[32];
    snprintf(step, sizeof step, "%lld", (long long)s->step);
    const char *const metadata[] = {"format", "limn checkpoint 1", "step", step, NULL};
    char *path = file_join(folder, "checkpoint.safetensors");
    char *previous = file_join(folder, "checkpoint.previous.safetensors");
    size_t largest = 0;
    for (int i = 0; i < total; i++) {
        const struct param *p = params_at(s->params, i % count);
        views[i] = (struct tensor_view){.name = mem_printf("%s%s", kept[i / count].prefix, p->name),
                                        .dtype = p->dtype, .shape = p->shape, .size = p->size};
        largest = MAX(largest, p->size);
    }
    void *data = mem_try_calloc(1, largest, "checkpoint", err);
    bool ok = data && file_make_folders(folder, err);
    struct safetensors_writer *w =
        ok ? safetensors_writer_open(path, views, (size_t)total, metadata, err) : NULL;
    ok = w != NULL;
    for (int i = 0; ok && i < total; i++) {
        const struct param *p = params_at(s->params, i % count);
        ok = buffer_read(s->slots[kept[i / count].slot], p->offset, data, p->size, err) &&
             safetensors_writer_put(w, data, p->size, err);
    }
    if (ok)
        ok = safetensors_writer_commit_keeping(w, previous, err);
    else
        safetensors_writer_abort(w);
    for (int i = 0; i < total; i++)
        free((char *)(uintptr_t)views[i].name);
    free(views);
    free(data);
    free(path);
    free(previous);
    return ok;
}

static bool
load_slot(const struct train_state *s, const struct safetensors *file, const char *path, size_t k,
          struct err *err)
{
    for (int i = 0; i < params_entries(s->params); i++) {
        const struct param *p = params_at(s->params, i);
        char *name = mem_printf("%s%s", kept[k].prefix, p->name);
        const struct tensor_view *v = safetensors_find(file, name);
        bool ok = v && v->dtype == p->dtype && shape_equal(&v->shape, &p->shape);
        if (!ok)
            err_set(err, ERR_INPUT, "%s: no tensor '%s' of the model's shape: another model?", path,
                    name);
        free(name);
        if (!ok || !buffer_write(s->slots[kept[k].slot], p->offset, v->data, p->size, err))
            return false;
    }
    return true;
}

// The path of the newest checkpoint that exists: on a disk without hard links a crash can leave
// only the older one. Freed with free().
static char *
checkpoint_of(const char *folder)
{
    char *path = file_join(folder, "checkpoint.safetensors");
    if (file_exists(path))
        return path;
    char *previous = file_join(folder, "checkpoint.previous.safetensors");
    bool there = file_exists(previous);
    free(there ? path : previous);
    return there ? previous : path;
}

bool
train_state_exists(const char *folder)
{
    char *path = checkpoint_of(folder);
    bool there = file_exists(path);
    free(path);
    return there;
}

bool
train_state_load(struct train_state *s, const char *folder, struct err *err)
{
    char *path = checkpoint_of(folder);
    struct safetensors *file = safetensors_open(path, err);
    bool ok = file != NULL;
    const char *format = ok ? safetensors_metadata(file, "format") : NULL;
    const char *step = ok ? safetensors_metadata(file, "step") : NULL;
    if (ok && (!format || strcmp(format, "limn checkpoint 1") != 0 || !step))
        ok = err_set(err, ERR_INPUT, "%s: not a checkpoint", path);
    char *end = NULL;
    int64_t number = ok ? strtoll(step, &end, 10) : 0;
    if (ok && (*end || end == step || number < 0 || number > step_most))
        ok = err_set(err, ERR_INPUT, "%s: its step is '%.40s', which cannot be", path, step);
    for (size_t k = 0; ok && k < COUNT_OF(kept); k++)
        ok = load_slot(s, file, path, k, err);
    ok = ok && safetensors_check(file, err);
    if (ok)
        s->step = number;
    safetensors_close(file);
    free(path);
    return ok;
}

// --- of several processes

// Broadcasts rank 0's contents of a buffer.
static bool
share_buffer(const struct group *g, struct buffer *b, struct err *err)
{
    size_t size = buffer_size(b);
    void *bytes = mem_try_calloc(1, size, "weights to share", err);
    bool ok = bytes && (g->rank || buffer_read(b, 0, bytes, size, err));
    ok = group_all_ok(g, ok, err);
    if (ok)
        g->share(bytes, size);
    ok = ok && (!g->rank || buffer_write(b, 0, bytes, size, err));
    free(bytes);
    return group_all_ok(g, ok, err);
}

bool
train_state_share(struct train_state *s, const struct group *g, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < COUNT_OF(kept); i++)
        ok = share_buffer(g, s->slots[kept[i].slot], err);
    if (ok)
        g->share(&s->step, sizeof s->step);
    return ok;
}

bool
train_state_same(const struct train_state *s, const struct group *g, struct err *err)
{
    size_t size = params_bytes(s->params);
    void *weights = mem_try_calloc(1, size, "weights to compare", err);
    bool ok = weights && buffer_read(s->slots[SLOT_PARAMS], 0, weights, size, err);
    ok = group_all_ok(g, ok, err);
    if (ok && !group_same(g, weights, size))
        ok = group_all_ok(g,
                          err_set(err, ERR_DEVICE,
                                  "after step %lld the processes have different "
                                  "weights: the memory or the network of one of them gives wrong "
                                  "numbers",
                                  (long long)s->step),
                          err);
    free(weights);
    return ok;
}

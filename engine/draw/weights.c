// SPDX-License-Identifier: MIT
#include "engine/draw/weights.h"

#include <string.h>

static enum dtype
dtype_of(const struct family *f, const char *name, enum dtype wanted)
{
    for (const struct family_part *p = f->parts; p->name; p++)
        if (p->dtype && strcmp(p->name, name) == 0)
            return p->dtype;
    return wanted;
}

bool
weights_init(struct weights *w, const struct model_folder *folder, struct device *device,
             enum dtype dtype, enum dtype blocks, struct err *err)
{
    *w = (struct weights){.folder = folder, .device = device};
    for (int i = 0; i < folder->parts.count; i++) {
        struct part_weights *p = &w->list[w->count++];
        p->part = &folder->parts.at[i];
        p->dtype = dtype_of(folder->family, p->part->name, dtype);
        p->params = params_create(p->dtype);
        if (!model_folder_declare(folder, p->part->name, p->params, err) ||
            !model_folder_choose_blocks(folder, p->part->name, p->params, blocks, err))
            return false;
        params_layout(p->params);
        if (!model_folder_check(folder, p->part->name, p->params, err))
            return false;
    }
    return true;
}

void
weights_finish(struct weights *w)
{
    for (int i = 0; i < w->count; i++) {
        weights_unload(&w->list[i]);
        weights_close_reader(&w->list[i]);
        params_destroy(w->list[i].params);
    }
    w->count = 0;
}

struct part_weights *
weights_find(struct weights *w, const char *part)
{
    for (int i = 0; i < w->count; i++)
        if (strcmp(w->list[i].part->name, part) == 0)
            return &w->list[i];
    return NULL;
}

const struct weights_source *
weights_source(struct weights *w, struct part_weights *p, struct err *err)
{
    if (!p->reader)
        p->reader = model_folder_read(w->folder, p->part->name, p->params, err);
    return p->reader ? model_reader_source(p->reader) : NULL;
}

bool
weights_are_stale(const struct part_weights *p)
{
    const struct weights_source *s = p->reader ? model_reader_source(p->reader) : NULL;
    struct err changed = {0};
    return s && !s->check(s->ctx, &changed);
}

void
weights_close_reader(struct part_weights *p)
{
    model_reader_close(p->reader);
    p->reader = NULL;
}

static bool
bind_to_files(struct weights *w, struct part_weights *p, struct err *err)
{
    const struct weights_source *s = weights_source(w, p, err);
    p->block = s ? buffer_create_from(w->device, params_bytes(p->params), s) : NULL;
    return s != NULL;
}

bool
weights_load(struct weights *w, struct part_weights *p, struct err *err)
{
    struct params_report report = {0};
    if (device_offload(w->device) && device_reads(w->device))
        return bind_to_files(w, p, err);
    p->block = buffer_create_weights(w->device, params_bytes(p->params), "weights", err);
    bool ok = p->block && model_folder_load(w->folder, p->part->name, p->params, p->block, &report,
                                            err);
    params_report_finish(&report); // weights_init() has reported it already
    if (!ok)
        weights_unload(p);
    return ok;
}

void
weights_unload(struct part_weights *p)
{
    buffer_destroy(p->block);
    p->block = NULL;
}

size_t
weights_bytes(const struct weights *w)
{
    size_t sum = 0;
    for (int i = 0; i < w->count; i++) {
        const struct part_weights *p = &w->list[i];
        sum += p->block && !buffer_streamed(p->block) ? params_bytes(p->params) : 0;
    }
    return sum;
}

size_t
weights_count(const struct weights *w)
{
    size_t sum = 0;
    for (int i = 0; i < w->count; i++)
        sum += params_count(w->list[i].params);
    return sum;
}

// SPDX-License-Identifier: MIT
#include "app/index/cluster_make.h"

#include <stdlib.h>
#include <string.h>

#include "app/index/pack_looks.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/retrieval/clusters.h"
#include "engine/tensor/safetensors.h"

struct making {
    const struct cluster_make *m;
    struct pack *pack;
    struct device *device;
    struct pipeline *pipeline;
    int *records; // of the training split
    size_t count;
    int8_t *vectors; // of these, (count,PACK_LOOKS_DIMENSION)
    int64_t *source; // a number for each file that they were made of; -1: not known
    struct clusters clusters;
};

static bool
advance(void *ctx, const char *what, size_t done, size_t total, struct err *err)
{
    const struct making *k = ctx;
    if (k->m->progress)
        k->m->progress(k->m->ctx, what, done, total);
    return !k->m->cancel || !atomic_load(k->m->cancel) || err_set(err, ERR_CANCELLED, "stopped");
}

static bool
open_all(struct making *k, struct err *err)
{
    struct pipeline_info info;
    k->pack = pack_open(k->m->pack, err);
    k->device = k->pack ? device_open(k->m->device, err) : NULL;
    k->pipeline = k->device ? pipeline_open(k->m->model, k->device, DTYPE_F32, err) : NULL;
    if (!k->pipeline)
        return false;
    pipeline_info(k->pipeline, &info);
    return info.feature_width || err_set(err, ERR_INPUT, "%s takes no references: it has no "
                                         "features to compare pictures by", info.name);
}

static bool
choose(struct making *k, struct err *err)
{
    int n = pack_count(k->pack);
    k->records = mem_try_calloc((size_t)n, sizeof *k->records, "pictures to cluster", err);
    for (int i = 0; k->records && i < n; i++)
        if (pack_split(k->pack, i) == PACK_TRAIN)
            k->records[k->count++] = i;
    return k->records &&
           (k->count || err_set(err, ERR_INPUT, "%s has no pictures for training", k->m->pack));
}

// --- Pictures of one file are one picture

struct made_of {
    char *file;
    size_t at;
};

static int
by_file(const void *a, const void *b)
{
    const struct made_of *x = a, *y = b;
    return strcmp(x->file, y->file);
}

static bool
number_sources(struct making *k, struct err *err)
{
    char text[LIMIT_INDEX_TEXT_BYTES];
    struct made_of *all = mem_try_calloc(k->count, sizeof *all, "sources", err);
    k->source = mem_try_calloc(k->count, sizeof *k->source, "sources", err);
    bool ok = all && k->source;
    for (size_t i = 0; ok && i < k->count; i++)
        all[i] = (struct made_of){
            mem_strdup(pack_source(k->pack, k->records[i], text, sizeof text)), i};
    if (ok)
        qsort(all, k->count, sizeof *all, by_file);
    int64_t number = 0;
    for (size_t i = 0; ok && i < k->count; i++) {
        number += i > 0 && strcmp(all[i].file, all[i - 1].file) != 0;
        k->source[all[i].at] = *all[i].file ? number : -1;
    }
    for (size_t i = 0; ok && i < k->count; i++)
        free(all[i].file);
    free(all);
    return ok;
}

static bool
cluster(struct making *k, struct err *err)
{
    const struct pack_looks p = {k->pack, k->pipeline, k->records, k->count, advance, k};
    struct looks looks = {0};
    k->vectors = pack_looks_make(&p, &looks, err);
    looks_close(&looks);
    const struct vectors v = {k->vectors, (int64_t)k->count, PACK_LOOKS_DIMENSION};
    const struct clusters_params cp = {k->m->nearest, k->m->keep, k->m->duplicate, k->source};
    return k->vectors && clusters_make(k->device, &v, &cp, &k->clusters, err) &&
           (k->clusters.count ||
            err_set(err, ERR_INPUT, "%s: no picture has %d others that are like it and not the "
                    "same: ask for smaller clusters", k->m->pack, k->m->keep - 1));
}

// --- The copy

static int32_t *
rows_of(const struct making *k, struct err *err)
{
    size_t n = (size_t)k->clusters.count * (size_t)k->clusters.keep;
    int32_t *rows = mem_try_calloc(n, sizeof *rows, "clusters", err);
    for (size_t i = 0; rows && i < n; i++)
        rows[i] = k->records[k->clusters.rows[i]];
    return rows;
}

// The tensors of the old pack but its clusters, and the new ones last: what is aligned stays so.
static size_t
list_tensors(const struct making *k, const struct safetensors *old, const int32_t *rows,
             struct tensor_view *views)
{
    size_t n = 0;
    for (size_t i = 0; i < safetensors_count(old); i++)
        if (strcmp(safetensors_at(old, i)->name, "clusters") != 0)
            views[n++] = *safetensors_at(old, i);
    views[n++] = (struct tensor_view){
        .name = "clusters", .dtype = DTYPE_I32, .data = rows,
        .shape = SHAPE(k->clusters.count, k->clusters.keep),
        .size = (size_t)k->clusters.count * (size_t)k->clusters.keep * sizeof *rows};
    return n;
}

static const char **
list_metadata(const struct safetensors *old, const char *made)
{
    size_t n = 0, all = safetensors_metadata_count(old);
    const char **metadata = mem_zalloc((2 * all + 3) * sizeof *metadata);
    for (size_t i = 0; i < all; i++) {
        const char *value, *key = safetensors_metadata_at(old, i, &value);
        if (strcmp(key, "clusters") == 0)
            continue;
        metadata[n++] = key;
        metadata[n++] = value;
    }
    metadata[n++] = "clusters";
    metadata[n++] = made;
    return metadata;
}

// In pieces, so that a long copy can be stopped.
static bool
copy_all(struct making *k, struct safetensors_writer *w, const struct tensor_view *views,
         size_t count, struct err *err)
{
    enum { PIECE = 64 << 20 };
    size_t total = 0, done = 0;
    for (size_t i = 0; i < count; i++)
        total += views[i].size;
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < views[i].size; at += PIECE) {
            size_t n = MIN(views[i].size - at, (size_t)PIECE);
            if (!safetensors_writer_put(w, (const char *)views[i].data + at, n, err) ||
                !advance(k, "MiB written", (done += n) >> 20, total >> 20, err))
                return false;
        }
    return true;
}

static bool
write_pack(struct making *k, struct err *err)
{
    struct pipeline_info info;
    pipeline_info(k->pipeline, &info);
    char *made = mem_printf("%s %s: the %d nearest, duplicate %g", info.name, info.hash,
                            k->m->nearest, k->m->duplicate);
    struct safetensors *old = safetensors_open(k->m->pack, err);
    int32_t *rows = old ? rows_of(k, err) : NULL;
    bool ok = rows != NULL;
    if (ok) {
        struct tensor_view *views = mem_alloc((safetensors_count(old) + 1) * sizeof *views);
        size_t n = list_tensors(k, old, rows, views);
        const char **metadata = list_metadata(old, made);
        struct safetensors_writer *w = safetensors_writer_open(k->m->out, views, n, metadata, err);
        ok = w && copy_all(k, w, views, n, err) && safetensors_check(old, err);
        if (ok)
            ok = safetensors_writer_commit(w, err);
        else
            safetensors_writer_abort(w);
        free(views);
        free(metadata);
    }
    free(rows);
    safetensors_close(old);
    free(made);
    return ok;
}

static void
describe(const struct making *k, struct cluster_make_report *report)
{
    bool *in = mem_zalloc(k->count);
    size_t subjects = 0, styles = 0, pairs = 0;
    for (int64_t i = 0; i < k->clusters.count; i++) {
        const int64_t *rows = k->clusters.rows + i * k->clusters.keep;
        int first = k->records[rows[0]];
        for (int j = 0; j < k->clusters.keep; j++) {
            int other = k->records[rows[j]];
            report->clustered += !in[rows[j]];
            in[rows[j]] = true;
            pairs += j > 0;
            subjects += j > 0 && pack_subject(k->pack, first) >= 0 &&
                        pack_subject(k->pack, other) == pack_subject(k->pack, first);
            styles += j > 0 && pack_style(k->pack, first) >= 0 &&
                      pack_style(k->pack, other) == pack_style(k->pack, first);
        }
    }
    report->pictures = k->count;
    report->clusters = (size_t)k->clusters.count;
    report->same_subject = (double)subjects / (double)MAX(pairs, (size_t)1);
    report->same_style = (double)styles / (double)MAX(pairs, (size_t)1);
    free(in);
}

bool
cluster_make(const struct cluster_make *m, struct cluster_make_report *report, struct err *err)
{
    struct making k = {.m = m};
    *report = (struct cluster_make_report){0};
    if (file_exists(m->out) && file_same(m->out, m->pack))
        return err_set(err, ERR_INPUT, "%s is the input: name another file", m->out);
    bool ok = file_out_check(m->out, err) && open_all(&k, err) && choose(&k, err) &&
              number_sources(&k, err) && cluster(&k, err) && write_pack(&k, err);
    if (ok)
        describe(&k, report);
    clusters_finish(&k.clusters);
    free(k.source);
    free(k.vectors);
    free(k.records);
    pipeline_close(k.pipeline);
    device_close(k.device);
    pack_close(k.pack);
    return ok;
}

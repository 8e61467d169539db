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

struct cluster_build {
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
on_progress(void *ctx, const char *what, size_t done, size_t total, struct err *err)
{
    const struct cluster_build *b = ctx;
    if (b->m->progress)
        b->m->progress(b->m->ctx, what, done, total);
    return !b->m->cancel || !atomic_load(b->m->cancel) || err_set(err, ERR_CANCELLED, "stopped");
}

static bool
open_all(struct cluster_build *b, struct err *err)
{
    struct pipeline_info info;
    b->pack = pack_open(b->m->pack, err);
    b->device = b->pack ? device_open(b->m->device, err) : NULL;
    b->pipeline = b->device ? pipeline_open(b->m->model, b->device, DTYPE_F32, err) : NULL;
    if (!b->pipeline)
        return false;
    pipeline_info(b->pipeline, &info);
    return info.feature_width || err_set(err, ERR_INPUT, "%s takes no references: it has no "
                                         "features to compare pictures by", info.name);
}

static bool
choose(struct cluster_build *b, struct err *err)
{
    int n = pack_count(b->pack);
    b->records = mem_try_calloc((size_t)n, sizeof *b->records, "pictures to cluster", err);
    for (int i = 0; b->records && i < n; i++)
        if (pack_split(b->pack, i) == PACK_TRAIN)
            b->records[b->count++] = i;
    return b->records &&
           (b->count || err_set(err, ERR_INPUT, "%s has no pictures for training", b->m->pack));
}

// --- Pictures of one file are one picture

struct record_file {
    char *file;
    size_t at;
};

static int
by_file(const void *a, const void *b)
{
    const struct record_file *x = a, *y = b;
    return strcmp(x->file, y->file);
}

static bool
number_sources(struct cluster_build *b, struct err *err)
{
    char text[LIMIT_INDEX_TEXT_BYTES];
    struct record_file *all = mem_try_calloc(b->count, sizeof *all, "sources", err);
    b->source = mem_try_calloc(b->count, sizeof *b->source, "sources", err);
    bool ok = all && b->source;
    for (size_t i = 0; ok && i < b->count; i++)
        all[i] = (struct record_file){
            mem_strdup(pack_source(b->pack, b->records[i], text, sizeof text)), i};
    if (ok)
        qsort(all, b->count, sizeof *all, by_file);
    int64_t number = 0;
    for (size_t i = 0; ok && i < b->count; i++) {
        number += i > 0 && strcmp(all[i].file, all[i - 1].file) != 0;
        b->source[all[i].at] = *all[i].file ? number : -1;
    }
    for (size_t i = 0; ok && i < b->count; i++)
        free(all[i].file);
    free(all);
    return ok;
}

static bool
cluster(struct cluster_build *b, struct err *err)
{
    const struct pack_looks p = {b->pack, b->pipeline, b->records, b->count, on_progress, b};
    struct looks looks = {0};
    b->vectors = pack_looks_make(&p, &looks, err);
    looks_close(&looks);
    const struct vectors v = {b->vectors, (int64_t)b->count, PACK_LOOKS_DIMENSION};
    const struct clusters_params cp = {b->m->nearest, b->m->keep, b->m->duplicate, b->source};
    return b->vectors && clusters_make(b->device, &v, &cp, &b->clusters, err) &&
           (b->clusters.count ||
            err_set(err, ERR_INPUT, "%s: no picture has %d others that are like it and not the "
                    "same: ask for smaller clusters", b->m->pack, b->m->keep - 1));
}

// --- The copy

static int32_t *
rows_of(const struct cluster_build *b, struct err *err)
{
    size_t n = (size_t)b->clusters.count * (size_t)b->clusters.keep;
    int32_t *rows = mem_try_calloc(n, sizeof *rows, "clusters", err);
    for (size_t i = 0; rows && i < n; i++)
        rows[i] = b->records[b->clusters.rows[i]];
    return rows;
}

// The tensors of the old pack but its clusters, and the new ones last: what is aligned stays so.
static size_t
list_tensors(const struct cluster_build *b, const struct safetensors *old, const int32_t *rows,
             struct tensor_view *views)
{
    size_t n = 0;
    for (size_t i = 0; i < safetensors_count(old); i++)
        if (strcmp(safetensors_at(old, i)->name, "clusters") != 0)
            views[n++] = *safetensors_at(old, i);
    views[n++] = (struct tensor_view){
        .name = "clusters", .dtype = DTYPE_I32, .data = rows,
        .shape = SHAPE(b->clusters.count, b->clusters.keep),
        .size = (size_t)b->clusters.count * (size_t)b->clusters.keep * sizeof *rows};
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
copy_all(struct cluster_build *b, struct safetensors_writer *w, const struct tensor_view *views,
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
                !on_progress(b, "MiB written", (done += n) >> 20, total >> 20, err))
                return false;
        }
    return true;
}

static bool
write_pack(struct cluster_build *b, struct err *err)
{
    struct pipeline_info info;
    pipeline_info(b->pipeline, &info);
    char *made = mem_printf("%s %s: the %d nearest, duplicate %g", info.name, info.hash,
                            b->m->nearest, b->m->duplicate);
    struct safetensors *old = safetensors_open(b->m->pack, err);
    int32_t *rows = old ? rows_of(b, err) : NULL;
    bool ok = rows != NULL;
    if (ok) {
        struct tensor_view *views = mem_alloc((safetensors_count(old) + 1) * sizeof *views);
        size_t n = list_tensors(b, old, rows, views);
        const char **metadata = list_metadata(old, made);
        struct safetensors_writer *w = safetensors_writer_open(b->m->out, views, n, metadata, err);
        ok = w && copy_all(b, w, views, n, err) && safetensors_check(old, err);
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
describe(const struct cluster_build *b, struct cluster_make_report *report)
{
    bool *in = mem_zalloc(b->count);
    size_t subjects = 0, styles = 0, pairs = 0;
    for (int64_t i = 0; i < b->clusters.count; i++) {
        const int64_t *rows = b->clusters.rows + i * b->clusters.keep;
        int first = b->records[rows[0]];
        for (int j = 0; j < b->clusters.keep; j++) {
            int other = b->records[rows[j]];
            report->clustered += !in[rows[j]];
            in[rows[j]] = true;
            pairs += j > 0;
            subjects += j > 0 && pack_subject(b->pack, first) >= 0 &&
                        pack_subject(b->pack, other) == pack_subject(b->pack, first);
            styles += j > 0 && pack_style(b->pack, first) >= 0 &&
                      pack_style(b->pack, other) == pack_style(b->pack, first);
        }
    }
    report->pictures = b->count;
    report->clusters = (size_t)b->clusters.count;
    report->same_subject = (double)subjects / (double)MAX(pairs, (size_t)1);
    report->same_style = (double)styles / (double)MAX(pairs, (size_t)1);
    free(in);
}

bool
cluster_make(const struct cluster_make *m, struct cluster_make_report *report, struct err *err)
{
    struct cluster_build b = {.m = m};
    *report = (struct cluster_make_report){0};
    if (file_exists(m->out) && file_same(m->out, m->pack))
        return err_set(err, ERR_INPUT, "%s is the input: name another file", m->out);
    bool ok = file_out_check(m->out, err) && open_all(&b, err) && choose(&b, err) &&
              number_sources(&b, err) && cluster(&b, err) && write_pack(&b, err);
    if (ok)
        describe(&b, report);
    clusters_finish(&b.clusters);
    free(b.source);
    free(b.vectors);
    free(b.records);
    pipeline_close(b.pipeline);
    device_close(b.device);
    pack_close(b.pack);
    return ok;
}

// SPDX-License-Identifier: MIT
// Files by content: asks for what a job lacks, and starts it when all of it is there.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/children.h"
#include "app/worker/lanes.h"
#include "app/worker/wire.h"
#include "app/worker/worker_parts.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

static struct blob *
find_blob(struct worker *w, const char *hash)
{
    for (int i = 0; i < w->blob_count; i++)
        if (strcmp(w->blobs[i].hash, hash) == 0) {
            w->blobs[i].last_used = ++w->clock;
            return &w->blobs[i];
        }
    return NULL;
}

// Returns its size.
static size_t
evict_oldest(struct worker *w)
{
    int oldest = 0;
    for (int i = 1; i < w->blob_count; i++)
        if (w->blobs[i].last_used < w->blobs[oldest].last_used)
            oldest = i;
    size_t size = w->blobs[oldest].size;
    free(w->blobs[oldest].data);
    w->blobs[oldest] = w->blobs[--w->blob_count];
    return size;
}

void
worker_store_blob(struct worker *w, const char *hash, uint8_t *data, size_t size)
{
    if (find_blob(w, hash)) {
        free(data);
        return;
    }
    size_t total = size;
    for (int i = 0; i < w->blob_count; i++)
        total += w->blobs[i].size;
    while (w->blob_count &&
           (w->blob_count == LIMIT_WORKER_BLOBS || total > LIMIT_WORKER_BLOB_BYTES))
        total -= evict_oldest(w);
    struct blob *b = &w->blobs[w->blob_count++];
    *b = (struct blob){.data = data, .size = size, .last_used = ++w->clock};
    snprintf(b->hash, sizeof b->hash, "%s", hash);
}

void
worker_free_pending(struct pending *p)
{
    job_finish(&p->job);
    order_finish(&p->order);
    free(p);
}

// The i-th file that is needed: its hash, and where its bytes go; false: there are no more.
static bool
nth_file(struct pending *p, int i, const char **hash, uint8_t ***data, size_t **size)
{
    bool order = p->kind == PENDING_ORDER;
    if (i >= (order ? p->order.count : p->job.reference_count))
        return false;
    *hash = order ? p->order.words[i].hash : p->job.references[i].hash;
    *data = order ? &p->order.words[i].data : &p->job.references[i].data;
    *size = order ? &p->order.words[i].size : &p->job.references[i].size;
    return true;
}

// Copies the bytes that are here into it; true when none is missing. ERR_MEMORY.
static bool
fill_files(struct worker *w, struct pending *p, struct err *err)
{
    const char *hash;
    uint8_t **data;
    size_t *size;
    bool complete = true;
    for (int i = 0; nth_file(p, i, &hash, &data, &size); i++) {
        const struct blob *b = *data || !*hash ? NULL : find_blob(w, hash);
        if (b) {
            *data = mem_try_calloc(b->size, 1, "a file", err);
            *size = *data ? b->size : 0;
            if (*data)
                memcpy(*data, b->data, b->size);
        }
        complete = complete && (*data || !*hash);
    }
    return complete;
}

static void
request_missing(struct worker *w, struct pending *p)
{
    const char *hash;
    uint8_t **data;
    size_t *size;
    for (int i = 0; nth_file(p, i, &hash, &data, &size); i++) {
        if (*data || !*hash)
            continue;
        struct jv *head = wire_head("want");
        jv_set(head, "hash", jv_from_string(hash));
        worker_send(w, head, NULL, 0);
    }
}

static void
start_pending(struct worker *w, struct pending *p)
{
    if (p->kind == PENDING_LOAD) {
        lanes_load(w->lanes, p->id, &p->job.references[0], p->side);
        p->job.reference_count = 0;
    } else if (p->kind == PENDING_ORDER) {
        children_start(w->children, &p->order);
    } else {
        struct jv *head = wire_head("queued");
        jv_set(head, "job", jv_from_string(p->job.id));
        jv_set(head, "ahead", jv_from_integer(lanes_unfinished(w->lanes)));
        worker_send(w, head, NULL, 0);
        lanes_draw(w->lanes, &p->job, p->previews);
    }
    worker_free_pending(p);
}

void
worker_refuse_load(struct worker *w, const char *id, const struct err *err)
{
    struct jv *head = wire_head("loaded");
    jv_set(head, "id", jv_from_string(id));
    jv_set(head, "code", jv_from_string(err->code == ERR_INPUT ? "input" : "io"));
    jv_set(head, "text", jv_from_string(err->text));
    worker_send(w, head, NULL, 0);
}

static void
fail_pending(struct worker *w, struct pending *p, const struct err *err)
{
    if (p->kind == PENDING_LOAD)
        worker_refuse_load(w, p->id, err);
    else if (p->kind == PENDING_ORDER)
        children_refuse(w->children, p->order.id, err);
    else
        worker_refuse(w, p->job.id, err->code, err->text);
    worker_free_pending(p);
}

void
worker_start_ready(struct worker *w)
{
    for (struct pending **at = &w->pending; *at;) {
        struct pending *p = *at;
        struct err err = {0};
        bool complete = fill_files(w, p, &err);
        if (complete || err.code != ERR_NONE) {
            *at = p->next;
            if (complete)
                start_pending(w, p);
            else
                fail_pending(w, p, &err);
        } else {
            at = &p->next;
        }
    }
}

void
worker_add_pending(struct worker *w, struct pending *p)
{
    struct pending **end = &w->pending;
    while (*end)
        end = &(*end)->next;
    *end = p;
    struct err err = {0};
    if (!fill_files(w, p, &err) && err.code == ERR_NONE)
        request_missing(w, p);
    worker_start_ready(w);
}

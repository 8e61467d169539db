// SPDX-License-Identifier: MIT
#include "engine/train/exchange.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum { BUCKET_BYTES = 4 << 20 };

// One tensor's gradient.
struct range {
    size_t first, last; // bytes of the gradients
    int bucket;
    bool *made_by; // by graph
};

struct start { // of a range, for the binary search
    size_t first;
    int range;
};

struct exchange {
    struct exchange_params p;
    struct range *ranges; // in the order of sending
    struct start *starts; // the same, by their first byte
    int range_count, bucket_count;
    size_t bucket_bytes; // of the largest
    int *bucket_first;   // by bucket: its first range; one more entry marks the end
    float *staging;
    struct plan *plan; // being watched
    pthread_t thread;
    bool threaded;
    pthread_mutex_t lock; // of all below
    pthread_cond_t changed;
    int *pending;      // by bucket: ranges that the running plan has yet to compute
    bool active, quit; // an exchange is under way; the thread must end
    struct err err;
};

// --- the gradients

static int
by_first(const void *a, const void *b)
{
    size_t x = ((const struct start *)a)->first, y = ((const struct start *)b)->first;
    return (x > y) - (x < y);
}

static bool
accumulates_gradient(const struct node *n)
{
    return n->op == OP_accumulate && n->source[0]->flags & NODE_BOUND &&
           n->source[0]->slot == SLOT_GRADS;
}

// Appends the gradients of one graph that none with more references has, in the order in which it
// computes them.
static void
add_ranges(struct exchange *e, int which)
{
    const struct graph *g = e->p.graphs[which];
    for (int id = 0; g && id < graph_count(g); id++) {
        const struct node *n = graph_node(g, id);
        if (!accumulates_gradient(n))
            continue;
        size_t first = n->source[0]->offset;
        int at = 0;
        while (at < e->range_count && e->ranges[at].first != first)
            at++;
        if (at == e->range_count) {
            e->ranges = mem_realloc(e->ranges, (size_t)(at + 1) * sizeof *e->ranges);
            e->ranges[e->range_count++] = (struct range){
                first, first + node_bytes(n), 0,
                mem_zalloc((size_t)e->p.graph_count * sizeof(bool))};
        }
        e->ranges[at].made_by[which] = true;
    }
}

// Groups ranges, in the order of sending, into buckets of a few MiB.
static void
make_buckets(struct exchange *e)
{
    size_t bytes = 0;
    e->bucket_first = mem_zalloc((size_t)(e->range_count + 1) * sizeof *e->bucket_first);
    for (int i = 0; i < e->range_count; i++) {
        if (bytes == 0)
            e->bucket_first[e->bucket_count++] = i;
        e->ranges[i].bucket = e->bucket_count - 1;
        bytes += e->ranges[i].last - e->ranges[i].first;
        e->bucket_bytes = MAX(e->bucket_bytes, bytes);
        bytes = bytes >= BUCKET_BYTES ? 0 : bytes;
    }
    e->bucket_first[e->bucket_count] = e->range_count;
    e->starts = mem_zalloc((size_t)(e->range_count + 1) * sizeof *e->starts);
    for (int i = 0; i < e->range_count; i++)
        e->starts[i] = (struct start){e->ranges[i].first, i};
    qsort(e->starts, (size_t)e->range_count, sizeof *e->starts, by_first);
}

// --- the thread that sends

// Copies the ranges of a bucket into the staging buffer, or back.
static bool
copy_bucket(struct exchange *e, int bucket, bool back, size_t *count, struct err *err)
{
    bool ok = true;
    char *at = (char *)e->staging;
    for (int i = e->bucket_first[bucket]; ok && i < e->bucket_first[bucket + 1]; i++) {
        const struct range *r = &e->ranges[i];
        size_t bytes = r->last - r->first;
        ok = back ? buffer_write(e->p.gradients, r->first, at, bytes, err)
                  : buffer_read(e->p.gradients, r->first, at, bytes, err);
        at += bytes;
    }
    *count = (size_t)(at - (char *)e->staging) / sizeof(float);
    return ok;
}

// Takes part in the sum even after an error here, because the other processes wait for it.
static void
send_bucket(struct exchange *e, int bucket)
{
    struct err err = {0};
    size_t count;
    bool ok = copy_bucket(e, bucket, false, &count, &err);
    e->p.group->add_floats(e->staging, count);
    ok = ok && copy_bucket(e, bucket, true, &count, &err);
    pthread_mutex_lock(&e->lock);
    if (!ok && e->err.code == ERR_NONE)
        e->err = err;
    pthread_mutex_unlock(&e->lock);
}

static void *
send_all(void *argument)
{
    struct exchange *e = argument;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (!e->active && !e->quit)
            pthread_cond_wait(&e->changed, &e->lock);
        if (e->quit)
            break;
        for (int b = 0; b < e->bucket_count; b++) {
            while (e->pending[b] > 0)
                pthread_cond_wait(&e->changed, &e->lock);
            pthread_mutex_unlock(&e->lock);
            send_bucket(e, b);
            pthread_mutex_lock(&e->lock);
        }
        e->active = false;
        pthread_cond_broadcast(&e->changed);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

struct exchange *
exchange_create(const struct exchange_params *p, struct err *err)
{
    struct exchange *e = mem_zalloc(sizeof *e);
    e->p = *p;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    for (int i = p->graph_count - 1; i >= 0; i--)
        add_ranges(e, i);
    make_buckets(e);
    e->pending = mem_zalloc((size_t)(e->bucket_count + 1) * sizeof *e->pending);
    e->staging = mem_try_calloc(1, e->bucket_bytes + 1, "gradients on their way", err);
    int failed = e->staging ? pthread_create(&e->thread, NULL, send_all, e) : -1;
    if (failed > 0)
        err_set(err, ERR_IO, "no thread for the exchange of gradients: %s", strerror(failed));
    e->threaded = failed == 0;
    if (e->threaded)
        return e;
    exchange_destroy(e);
    return NULL;
}

void
exchange_destroy(struct exchange *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->quit = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    if (e->threaded)
        pthread_join(e->thread, NULL);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    for (int i = 0; i < e->range_count; i++)
        free(e->ranges[i].made_by);
    free(e->ranges);
    free(e->starts);
    free(e->bucket_first);
    free(e->pending);
    free(e->staging);
    free(e);
}

// --- a step

static void
range_ready(void *ctx, size_t first, size_t last)
{
    struct exchange *e = ctx;
    struct start wanted = {.first = first};
    const struct start *found = bsearch(&wanted, e->starts, (size_t)e->range_count,
                                        sizeof *e->starts, by_first);
    if (!found)
        return;
    pthread_mutex_lock(&e->lock);
    if (--e->pending[e->ranges[found->range].bucket] == 0)
        pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void
exchange_begin(struct exchange *e, struct plan *plan, int which)
{
    pthread_mutex_lock(&e->lock);
    memset(e->pending, 0, (size_t)e->bucket_count * sizeof *e->pending);
    for (int i = 0; i < e->range_count; i++)
        e->pending[e->ranges[i].bucket] += e->ranges[i].made_by[which];
    e->err = (struct err){0};
    e->active = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    e->plan = plan;
    plan_watch(plan, SLOT_GRADS, range_ready, e);
}

bool
exchange_end(struct exchange *e, struct err *err)
{
    if (e->plan)
        plan_watch(e->plan, SLOT_GRADS, NULL, NULL);
    pthread_mutex_lock(&e->lock);
    // Gradients that a failed run has not computed are sent as they are.
    memset(e->pending, 0, (size_t)e->bucket_count * sizeof *e->pending);
    e->active = e->active || !e->plan;
    pthread_cond_broadcast(&e->changed);
    while (e->active)
        pthread_cond_wait(&e->changed, &e->lock);
    bool ok = e->err.code == ERR_NONE;
    if (!ok)
        err_set(err, e->err.code, "%s", e->err.text);
    e->err = (struct err){0};
    pthread_mutex_unlock(&e->lock);
    e->plan = NULL;
    return ok;
}

// SPDX-License-Identifier: MIT
#include "engine/device/cpu/dnnl_kept.h"

#ifdef HAVE_DNNL

#include <pthread.h>
#include <stdlib.h>

#include "engine/base/mem.h"

enum { ALIGNMENT = 64 };

struct onednn_kept {
    struct onednn_kept *next;
    const void *at;             // the tensor; NULL: not shared
    dnnl_memory_t outer, inner; // their layouts
    void *data;
    size_t size;
    int refs;
    bool ready;
};

static struct onednn_kept *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static layout_ref
layout_of(dnnl_memory_t m)
{
    layout_ref md = NULL;
    dnnl_memory_get_memory_desc(m, &md);
    return md;
}

static bool
same_layout(dnnl_memory_t a, dnnl_memory_t b)
{
    return dnnl_memory_desc_equal(layout_of(a), layout_of(b));
}

static struct onednn_kept *
find(const void *at, dnnl_memory_t outer, dnnl_memory_t inner)
{
    for (struct onednn_kept *k = at ? all : NULL; k; k = k->next)
        if (k->at == at && same_layout(k->outer, outer) && same_layout(k->inner, inner))
            return k;
    return NULL;
}

static void
destroy(struct onednn_kept *k)
{
    if (k->outer)
        dnnl_memory_destroy(k->outer);
    if (k->inner)
        dnnl_memory_destroy(k->inner);
    mem_aligned_free(k->data);
    free(k);
}

static struct onednn_kept *
make(const void *at, dnnl_memory_t outer, dnnl_memory_t inner, size_t size)
{
    struct onednn_kept *k = mem_zalloc(sizeof *k);
    k->at = at;
    k->size = size;
    k->data = mem_try_aligned(size, ALIGNMENT, "packed weights", NULL);
    if (k->data && memory_init(&k->outer, layout_of(outer)) &&
        memory_init(&k->inner, layout_of(inner)))
        return k;
    destroy(k);
    return NULL;
}

struct onednn_kept *
onednn_kept_get(const void *at, dnnl_memory_t outer, dnnl_memory_t inner, size_t size,
                size_t *bytes)
{
    pthread_mutex_lock(&lock);
    struct onednn_kept *k = find(at, outer, inner);
    if (!k && (k = make(at, outer, inner, size))) {
        *bytes += size;
        k->next = all;
        all = k;
    }
    if (k)
        k->refs++;
    pthread_mutex_unlock(&lock);
    return k;
}

void
onednn_kept_release(struct onednn_kept *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&lock);
    if (--k->refs == 0) {
        struct onednn_kept **link = &all;
        while (*link != k)
            link = &(*link)->next;
        *link = k->next;
        destroy(k);
    }
    pthread_mutex_unlock(&lock);
}

void *
onednn_kept_data(const struct onednn_kept *k)
{
    return k->data;
}

bool
onednn_kept_begin(struct onednn_kept *k)
{
    pthread_mutex_lock(&lock);
    bool ready = k->ready;
    if (ready)
        pthread_mutex_unlock(&lock);
    return !ready;
}

void
onednn_kept_end(struct onednn_kept *k)
{
    if (!k)
        return;
    k->ready = true;
    pthread_mutex_unlock(&lock);
}

#endif

// SPDX-License-Identifier: MIT
#include "engine/device/cpu/stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"

enum {
    PINNED_MAX = 4 << 10,    // pieces of at most this many bytes stay in memory
    FAULT_AROUND = 64 << 10, // what the kernel maps around a touched page (fault-around)
};

struct piece {
    const struct node *node; // bound
    const char *mapped;      // its address in a mapped file; NULL: it is loaded to memory + at
    size_t at, size;
    int first, last;         // steps that read it
    int readers, packers;    // steps that read it; those of them that keep a packed copy
    bool pinned;
    bool by_rows; // only gathered from: loaded by rows
    bool loaded;
};

struct cpu_stream {
    const struct weights_source *source;
    const struct plan *plan;
    struct piece *pieces; // in the order in which steps first read them
    int count;
    int *index;   // by node id: index of its piece + 1; 0: none
    char *memory; // address space of pieces that are not mapped; pages come and go
    size_t reserved;
    size_t limit; // bytes that may be loaded at once, without rows and pinned pieces
    bool has_run; // a run has finished

    pthread_mutex_t source_lock; // the source serves one call at a time
    pthread_t thread;
    bool started;

    // Shared by the thread and the run, under the lock.
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int next;             // the piece to load next
    size_t used;
    bool busy, quit, failed;
    struct err error;
};

static size_t
pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

static bool
is_streamed(const struct node *root)
{
    return root->op == OP_NONE && root->flags & NODE_BOUND && root->slot == SLOT_PARAMS;
}

// --- What a plan reads, and when ---------------------------------------------------------------

static void
add_read(struct cpu_stream *s, const struct node *step, int i, int k, int *capacity)
{
    const struct node *root = plan_root(step->source[k]);
    if (!is_streamed(root))
        return;
    bool gathers = step->op == OP_gather && k == 0 && step->source[0] == root;
    int *index = &s->index[root->id];
    if (!*index) {
        struct piece p = {.node = root, .size = node_bytes(root), .first = i, .by_rows = true};
        p.mapped = s->source->find(s->source->ctx, root->offset, p.size);
        p.pinned = p.size <= PINNED_MAX;
        ARRAY_PUSH(s->pieces, s->count, *capacity, p);
        *index = s->count;
    }
    struct piece *p = &s->pieces[*index - 1];
    p->by_rows = p->by_rows && gathers && !p->pinned;
    p->readers++;
    p->last = i;
}

static size_t
rows_bytes(const struct cpu_stream *s, const struct piece *p)
{
    size_t ids = 0, row = p->size / (size_t)p->node->shape.dim[0];
    for (int i = p->first; i <= p->last; i++) {
        const struct node *n = s->plan->steps[i];
        if (n->op == OP_gather && n->source[0] == p->node)
            ids += (size_t)shape_count(&n->shape) / (size_t)shape_last(&n->shape);
    }
    size_t each = p->mapped ? MAX(2 * (size_t)FAULT_AROUND, pages(row)) : pages(row) + pages(1);
    return MIN(ids * each, pages(p->size));
}

// Whether the thread loads the piece, and drops it after its last step.
static bool
is_prefetched(const struct cpu_stream *s, const struct piece *p)
{
    return !p->pinned && !p->by_rows && !(s->has_run && p->packers == p->readers);
}

static int
next_prefetched(const struct cpu_stream *s, int i)
{
    while (i < s->count && !is_prefetched(s, &s->pieces[i]))
        i++;
    return i;
}

// The most that is live at a step, and the piece after it, so that the thread is always one ahead.
static size_t
prefetch_limit(const struct cpu_stream *s)
{
    size_t most = 0;
    for (int i = next_prefetched(s, 0); i < s->count; i = next_prefetched(s, i + 1)) {
        size_t live = 0;
        int next = next_prefetched(s, i + 1);
        for (int k = 0; k <= i; k++)
            if (is_prefetched(s, &s->pieces[k]) && s->pieces[k].last >= s->pieces[i].first)
                live += pages(s->pieces[k].size);
        most = MAX(most, live + (next < s->count ? pages(s->pieces[next].size) : 0));
    }
    return most;
}

// Gives a piece that is not mapped the next address.
static void
place_piece(struct cpu_stream *s, struct piece *p, size_t alignment)
{
    p->at = s->reserved;
    s->reserved += p->mapped ? 0 : (p->size + alignment - 1) / alignment * alignment;
}

static void
plan_pieces(struct cpu_stream *s, const struct plan *p, const struct weights_source *source)
{
    int capacity = 0;
    *s = (struct cpu_stream){.source = source, .plan = p};
    s->index = mem_zalloc(((size_t)graph_count(p->graph) + 1) * sizeof *s->index);
    for (int i = 0; i < p->step_count; i++)
        for (int k = 0; k < p->steps[i]->source_count; k++)
            add_read(s, p->steps[i], i, k, &capacity);
    for (int i = 0; i < s->count; i++)
        if (s->pieces[i].pinned)
            place_piece(s, &s->pieces[i], 64);
    s->reserved = pages(s->reserved);
    for (int i = 0; i < s->count; i++)
        if (!s->pieces[i].pinned)
            place_piece(s, &s->pieces[i], pages(1));
    s->limit = prefetch_limit(s);
}

static size_t
peak_bytes(const struct cpu_stream *s)
{
    size_t sum = s->limit;
    for (int i = 0; i < s->count; i++)
        sum += s->pieces[i].pinned    ? s->pieces[i].size
               : s->pieces[i].by_rows ? rows_bytes(s, &s->pieces[i])
                                      : 0;
    return sum;
}

static void
free_pieces(struct cpu_stream *s)
{
    free(s->pieces);
    free(s->index);
}

size_t
cpu_stream_bytes(const struct plan *p, const struct weights_source *source)
{
    struct cpu_stream s;
    plan_pieces(&s, p, source);
    size_t size = peak_bytes(&s);
    free_pieces(&s);
    return size;
}

// --- Loading and dropping ----------------------------------------------------------------------

// Reads a mapped range: in one call if the kernel can (since 5.14), otherwise page by page. A page
// that is evicted before it is used is read again on access, as in every mapping.
static void
page_in(const char *data, size_t size)
{
#ifdef MADV_POPULATE_READ
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)data & ~(page - 1);
    if (madvise((void *)from, (uintptr_t)data + size - from, MADV_POPULATE_READ) == 0)
        return;
#endif
    for (size_t at = 0; at < size; at += 4096)
        (void)*(const volatile char *)(data + at);
}

static bool
load_piece(struct cpu_stream *s, const struct piece *p, size_t first, size_t size, struct err *err)
{
    if (p->mapped) {
        page_in(p->mapped + first, size);
        return true;
    }
    pthread_mutex_lock(&s->source_lock);
    bool ok = s->source->load(s->source->ctx, p->node->offset + first, size,
                              s->memory + p->at + first, err);
    pthread_mutex_unlock(&s->source_lock);
    return ok;
}

static void
drop(const struct cpu_stream *s, const struct piece *p)
{
    if (p->mapped)
        file_map_forget(p->mapped, p->size + pages(1)); // and the page it ends in
    else
        madvise(s->memory + p->at, pages(p->size), MADV_DONTNEED);
}

// 1: the thread has a piece to load; 0: it waits; -1: it ends.
static int
prefetch_state(const struct cpu_stream *s)
{
    if (s->quit)
        return -1;
    return s->next < s->count && !s->failed &&
           s->used + pages(s->pieces[s->next].size) <= s->limit;
}

static void *
prefetch_thread(void *ctx)
{
    struct cpu_stream *s = ctx;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        int state = prefetch_state(s);
        if (state < 0)
            break;
        if (!state) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        struct piece *p = &s->pieces[s->next];
        struct err error = {0};
        s->used += pages(p->size);
        s->busy = true;
        pthread_mutex_unlock(&s->lock);
        bool ok = load_piece(s, p, 0, p->size, &error);
        pthread_mutex_lock(&s->lock);
        s->busy = false;
        p->loaded = true;
        s->next = next_prefetched(s, s->next + 1);
        if (!ok && !s->failed) {
            s->failed = true;
            s->error = error;
        }
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

// --- Creating and destroying -------------------------------------------------------------------

static bool
reserve_space(struct cpu_stream *s, struct err *err)
{
    if (!s->reserved)
        return true;
    void *space = mmap(NULL, s->reserved, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return err_set(err, ERR_MEMORY, "weights: no address space for %zu bytes", s->reserved);
    s->memory = space;
    return true;
}

static bool
load_pinned(struct cpu_stream *s, struct err *err)
{
    for (int i = 0; i < s->count; i++)
        if (s->pieces[i].pinned && !load_piece(s, &s->pieces[i], 0, s->pieces[i].size, err))
            return false;
    return true;
}

struct cpu_stream *
cpu_stream_create(const struct plan *p, const struct weights_source *source, struct err *err)
{
    struct cpu_stream *s = mem_zalloc(sizeof *s);
    plan_pieces(s, p, source);
    pthread_mutex_init(&s->source_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->next = s->count;
    bool ok = reserve_space(s, err) && load_pinned(s, err);
    s->started = ok && pthread_create(&s->thread, NULL, prefetch_thread, s) == 0;
    if (s->started)
        return s;
    if (ok)
        err_set(err, ERR_MEMORY, "weights: cannot start a thread to read them");
    cpu_stream_destroy(s);
    return NULL;
}

void
cpu_stream_destroy(struct cpu_stream *s)
{
    if (!s)
        return;
    if (s->started) {
        cpu_stream_stop(s);
        pthread_mutex_lock(&s->lock);
        s->quit = true;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    for (int i = 0; i < s->count; i++)
        if (s->pieces[i].mapped)
            drop(s, &s->pieces[i]);
    if (s->memory)
        munmap(s->memory, s->reserved);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->source_lock);
    free_pieces(s);
    free(s);
}

static struct piece *
piece_of(const struct cpu_stream *s, const struct node *root)
{
    return is_streamed(root) && s->index[root->id] ? &s->pieces[s->index[root->id] - 1] : NULL;
}

const char *
cpu_stream_at(const struct cpu_stream *s, const struct node *bound)
{
    const struct piece *p = piece_of(s, bound);
    require(p);
    return p->mapped ? p->mapped : s->memory + p->at;
}

void
cpu_stream_packed(struct cpu_stream *s, const struct node *bound)
{
    struct piece *p = piece_of(s, bound);
    if (p)
        p->packers++;
}

// --- A run -------------------------------------------------------------------------------------

void
cpu_stream_start(struct cpu_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->failed = false;
    s->next = next_prefetched(s, 0);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

// Loads the rows that a step gathers. Its ids have been checked.
static bool
load_rows(struct cpu_stream *s, const struct piece *p, const struct node *step, const int32_t *ids,
          struct err *err)
{
    size_t row = p->size / (size_t)p->node->shape.dim[0];
    int64_t count = shape_count(&step->source[1]->shape);
    for (int64_t i = 0; i < count; i++)
        if (!load_piece(s, p, (size_t)ids[i] * row, row, err))
            return false;
    return true;
}

static bool
load_gathered(struct cpu_stream *s, int step, struct err *err)
{
    const struct node *n = s->plan->steps[step];
    if (n->op != OP_gather)
        return true;
    const struct piece *p = piece_of(s, plan_root(n->source[0]));
    const struct place *ids = &s->plan->places[n->source[1]->id];
    const char *at = (const char *)s->plan->slots[ids->slot]->memory + ids->offset;
    return !p || !p->by_rows || load_rows(s, p, n, (const int32_t *)(const void *)at, err);
}

// Whether all that the step reads is loaded.
static bool
is_loaded(const struct cpu_stream *s, int step)
{
    for (int i = 0; i < s->count && s->pieces[i].first <= step; i++)
        if (s->pieces[i].last >= step && is_prefetched(s, &s->pieces[i]) && !s->pieces[i].loaded)
            return false;
    return true;
}

bool
cpu_stream_begin(struct cpu_stream *s, int step, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    while (!s->failed && !is_loaded(s, step))
        pthread_cond_wait(&s->changed, &s->lock);
    bool ok = !s->failed || err_set(err, s->error.code, "%s", s->error.text);
    pthread_mutex_unlock(&s->lock);
    return ok && load_gathered(s, step, err);
}

// Call with the lock held.
static void
evict(struct cpu_stream *s, struct piece *p)
{
    drop(s, p);
    p->loaded = false;
    s->used -= pages(p->size);
}

void
cpu_stream_end(struct cpu_stream *s, int step)
{
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->count && s->pieces[i].first <= step; i++) {
        struct piece *p = &s->pieces[i];
        if (p->last == step && p->loaded)
            evict(s, p);
        else if (p->last == step && p->by_rows)
            drop(s, p);
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool
cpu_stream_finish(struct cpu_stream *s, struct err *err)
{
    s->has_run = true;
    return s->source->check(s->source->ctx, err);
}

void
cpu_stream_stop(struct cpu_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->next = s->count;
    while (s->busy)
        pthread_cond_wait(&s->changed, &s->lock);
    for (int i = 0; i < s->count; i++)
        if (s->pieces[i].loaded)
            evict(s, &s->pieces[i]);
    pthread_mutex_unlock(&s->lock);
}

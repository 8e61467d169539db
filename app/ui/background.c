// SPDX-License-Identifier: MIT
#include "app/ui/background.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "app/base/threads.h"
#include "app/library/library.h"
#include "engine/base/mem.h"

enum { FULL_BYTES = 16 << 20, FULL_COUNT = 64 };

struct queue {
    struct work *first, **end;
};

struct background {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, finished; // work was queued; work is done
    struct library *library;       // the thread's
    struct queue waiting, done;
    size_t bytes; // of all work that is queued or running
    int count;    // of such work
    int awaited;  // of it, not `unawaited`
    int fd;
    bool put; // work not `unawaited` was queued since background_wait()
    atomic_int stopping;
    bool stop;
};

static void
push(struct queue *q, struct work *w)
{
    w->next = NULL;
    *q->end = w;
    q->end = &w->next;
}

static struct work *
pop(struct queue *q)
{
    struct work *w = q->first;
    if (!w)
        return NULL;
    q->first = w->next;
    if (!q->first)
        q->end = &q->first;
    return w;
}

static void *
work_thread(void *arg)
{
    struct background *b = arg;
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        struct work *w = pop(&b->waiting);
        if (!w) {
            pthread_cond_wait(&b->wake, &b->lock);
            continue;
        }
        size_t bytes = w->bytes;
        bool awaited = !w->unawaited;
        pthread_mutex_unlock(&b->lock);
        w->run(w, b->library, &b->stopping);
        pthread_mutex_lock(&b->lock);
        b->bytes -= bytes;
        b->count--;
        b->awaited -= awaited;
        push(&b->done, w);
        pthread_cond_signal(&b->finished);
        uint64_t wake = 1;
        if (write(b->fd, &wake, sizeof wake) < 0) {
            // The counter is full, so the UI wakes anyway.
        }
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

// --- for the UI

static void
free_all(struct background *b)
{
    for (struct work *w; (w = pop(&b->waiting)) || (w = pop(&b->done));)
        w->release(w);
    if (b->fd >= 0)
        close(b->fd);
    library_close(b->library);
    pthread_cond_destroy(&b->wake);
    pthread_cond_destroy(&b->finished);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

// Timed waits use the monotonic clock, which cannot be set.
static void
init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct background *
background_open(const struct library *library, struct err *err)
{
    struct background *b = mem_zalloc(sizeof *b);
    b->waiting.end = &b->waiting.first;
    b->done.end = &b->done.first;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    init_monotonic(&b->finished);
    b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = b->fd >= 0 || err_errno(err, ERR_IO, "no file descriptor for background work");
    ok = ok && (!library || (b->library = library_reopen(library, err)));
    if (ok && threads_start(&b->thread, work_thread, b, err))
        return b;
    free_all(b);
    return NULL;
}

void
background_close(struct background *b)
{
    if (!b)
        return;
    atomic_store(&b->stopping, 1);
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    free_all(b);
}

int
background_fd(const struct background *b)
{
    return b->fd;
}

void
background_put(struct background *b, struct work *w)
{
    pthread_mutex_lock(&b->lock);
    push(&b->waiting, w);
    b->bytes += w->bytes;
    b->count++;
    b->awaited += !w->unawaited;
    b->put = b->put || !w->unawaited;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

bool
background_full(struct background *b)
{
    pthread_mutex_lock(&b->lock);
    bool full = b->bytes > FULL_BYTES || b->count >= FULL_COUNT;
    pthread_mutex_unlock(&b->lock);
    return full;
}

bool
background_busy(struct background *b)
{
    pthread_mutex_lock(&b->lock);
    bool busy = b->count > 0 || b->done.first;
    pthread_mutex_unlock(&b->lock);
    return busy;
}

struct work *
background_next(struct background *b)
{
    uint64_t wakes;
    while (read(b->fd, &wakes, sizeof wakes) > 0)
        ;
    pthread_mutex_lock(&b->lock);
    struct work *w = pop(&b->done);
    pthread_mutex_unlock(&b->lock);
    return w;
}

void
background_wait(struct background *b, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    long ns = until.tv_nsec + ms * 1000000L;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&b->lock);
    while (b->put && b->awaited && pthread_cond_timedwait(&b->finished, &b->lock, &until) == 0)
        ;
    b->put = false;
    pthread_mutex_unlock(&b->lock);
}

struct work *
background_drain(struct background *b, double until)
{
    const struct timespec end = {(time_t)until, (long)(fmod(until, 1) * 1e9)};
    atomic_store(&b->stopping, 1);
    pthread_mutex_lock(&b->lock);
    while (!b->done.first && b->count && pthread_cond_timedwait(&b->finished, &b->lock, &end) == 0)
        ;
    struct work *w = pop(&b->done);
    pthread_mutex_unlock(&b->lock);
    return w;
}

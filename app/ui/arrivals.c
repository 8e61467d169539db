// SPDX-License-Identifier: MIT
#include "app/ui/arrivals.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/base/threads.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/look.h"

enum { FULL_BYTES = 16 << 20, FULL_COUNT = 64 };

struct link {
    struct arrival *one;
    struct link *next;
};

struct queue {
    struct link *first, **end;
};

struct arrivals {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, through; // something waits; something is through
    struct queue waiting, done;
    size_t bytes; // of what waits or is worked on
    int count;    // of them
    int fd;
    atomic_int hurry; // decode no more
    bool stop;
};

static void
push(struct queue *q, struct arrival *one)
{
    struct link *l = mem_alloc(sizeof *l);
    *l = (struct link){one, NULL};
    *q->end = l;
    q->end = &l->next;
}

static struct arrival *
pop(struct queue *q)
{
    struct link *l = q->first;
    if (!l)
        return NULL;
    struct arrival *one = l->one;
    q->first = l->next;
    if (!q->first)
        q->end = &q->first;
    free(l);
    return one;
}

void
arrival_free(struct arrival *one)
{
    if (!one)
        return;
    free(one->file);
    free(one->png);
    library_picture_finish(&one->known);
    image_unref(one->image);
    free(one);
}

// --- on the thread

// A picture that is there already stays as it is, whatever comes under its name.
static bool
keep(struct arrival *one)
{
    size_t size = 0;
    if (!one->png)
        return err_set(&one->refused, ERR_IO, "it came without its data");
    if (!file_exists(one->file))
        return file_write_private(one->file, one->png, one->png_size, &one->refused);
    char *have = file_read(one->file, LIMIT_HOST_PICTURE_BYTES, &size, NULL);
    one->differs = !have || size != one->png_size || memcmp(have, one->png, size) != 0;
    free(have);
    return true;
}

static void
take_result(struct arrival *one, const atomic_int *hurry)
{
    one->kept = keep(one);
    if (one->kept)
        library_picture_read(one->file, one->job, &one->known, &one->unread);
    if (one->png && !atomic_load(hurry))
        one->image = look_result(one->png, one->png_size, one->file, hurry, NULL);
}

static void
take(struct arrival *one, const atomic_int *hurry)
{
    const struct look_want earlier = {.png = true, .side = LIMIT_RESULT_SIDE,
                                      .seconds = LIMIT_RESULT_SECONDS, .stop = hurry};
    switch (one->kind) {
    case ARRIVAL_RESULT: take_result(one, hurry); break;
    case ARRIVAL_LOOK:
        one->image = one->png ? look_result(one->png, one->png_size, "look", hurry, NULL) : NULL;
        break;
    case ARRIVAL_EARLIER: one->image = look_file(one->file, &earlier, NULL); break;
    case ARRIVAL_ADDED: one->kept = look_check(one->file, hurry, &one->refused); break;
    }
    free(one->png);
    one->png = NULL;
}

static void *
work(void *arg)
{
    struct arrivals *a = arg;
    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        struct arrival *one = pop(&a->waiting);
        if (!one) {
            pthread_cond_wait(&a->wake, &a->lock);
            continue;
        }
        size_t size = one->png_size;
        pthread_mutex_unlock(&a->lock);
        take(one, &a->hurry);
        pthread_mutex_lock(&a->lock);
        a->bytes -= size;
        a->count--;
        push(&a->done, one);
        pthread_cond_signal(&a->through);
        uint64_t wake = 1;
        if (write(a->fd, &wake, sizeof wake) < 0) {
            // The counter is full of wakes already.
        }
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

// --- for the UI

static void
free_all(struct arrivals *a)
{
    for (struct arrival *one; (one = pop(&a->waiting)) || (one = pop(&a->done));)
        arrival_free(one);
    close(a->fd);
    pthread_cond_destroy(&a->wake);
    pthread_cond_destroy(&a->through);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

struct arrivals *
arrivals_open(struct err *err)
{
    struct arrivals *a = mem_zalloc(sizeof *a);
    a->waiting.end = &a->waiting.first;
    a->done.end = &a->done.first;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->wake, NULL);
    pthread_cond_init(&a->through, NULL);
    a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->fd < 0)
        err_errno(err, ERR_IO, "no descriptor for what comes");
    else if (threads_start(&a->thread, work, a, err))
        return a;
    free_all(a);
    return NULL;
}

void
arrivals_close(struct arrivals *a)
{
    if (!a)
        return;
    atomic_store(&a->hurry, 1);
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    free_all(a);
}

int
arrivals_fd(const struct arrivals *a)
{
    return a->fd;
}

void
arrivals_put(struct arrivals *a, struct arrival *one)
{
    pthread_mutex_lock(&a->lock);
    push(&a->waiting, one);
    a->bytes += one->png_size;
    a->count++;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

bool
arrivals_full(struct arrivals *a)
{
    pthread_mutex_lock(&a->lock);
    bool full = a->bytes > FULL_BYTES || a->count >= FULL_COUNT;
    pthread_mutex_unlock(&a->lock);
    return full;
}

bool
arrivals_busy(struct arrivals *a)
{
    pthread_mutex_lock(&a->lock);
    bool busy = a->count > 0 || a->done.first;
    pthread_mutex_unlock(&a->lock);
    return busy;
}

struct arrival *
arrivals_next(struct arrivals *a)
{
    uint64_t wakes;
    while (read(a->fd, &wakes, sizeof wakes) > 0)
        ;
    pthread_mutex_lock(&a->lock);
    struct arrival *one = pop(&a->done);
    pthread_mutex_unlock(&a->lock);
    return one;
}

struct arrival *
arrivals_last(struct arrivals *a)
{
    atomic_store(&a->hurry, 1);
    pthread_mutex_lock(&a->lock);
    while (!a->done.first && a->count)
        pthread_cond_wait(&a->through, &a->lock);
    struct arrival *one = pop(&a->done);
    pthread_mutex_unlock(&a->lock);
    return one;
}

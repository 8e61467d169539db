// SPDX-License-Identifier: MIT
#include "app/ui/pictures.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/base/threads.h"
#include "engine/base/mem.h"
#include "loaders/look.h"

enum entry_state { ENTRY_WAITING = 0, ENTRY_DECODING, ENTRY_READY, ENTRY_FAILED };

struct entry {
    char *file;
    int side;
    struct timespec changed; // of the file
    enum entry_state state;
    struct image *image;
    char *reason;
    uint64_t last_used;
};

struct pictures {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct entry *entries[PICTURES_KEPT];
    int count;
    uint64_t clock, turn;
    int fd;
    bool stop;
};

static void
free_entry(struct entry *e)
{
    image_unref(e->image);
    free(e->reason);
    free(e->file);
    free(e);
}

// The entry asked for last, as that is on the screen now.
static struct entry *
next_waiting(struct pictures *p)
{
    struct entry *best = NULL;
    for (int i = 0; i < p->count; i++)
        if (p->entries[i]->state == ENTRY_WAITING &&
            (!best || p->entries[i]->last_used > best->last_used))
            best = p->entries[i];
    return best;
}

static void *
decode_thread(void *arg)
{
    struct pictures *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        struct entry *e = next_waiting(p);
        if (!e) {
            pthread_cond_wait(&p->wake, &p->lock);
            continue;
        }
        e->state = ENTRY_DECODING;
        pthread_mutex_unlock(&p->lock);
        struct err err = {0};
        const struct look_options options = {.side = e->side};
        struct image *image = look_decode_file(e->file, &options, &err);
        pthread_mutex_lock(&p->lock);
        e->image = image;
        e->reason = image ? NULL : mem_strdup(err.text);
        e->state = image ? ENTRY_READY : ENTRY_FAILED;
        uint64_t one = 1;
        if (write(p->fd, &one, sizeof one) < 0) {
            // The counter is full, so the UI wakes anyway.
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct pictures *
pictures_open(struct err *err)
{
    struct pictures *p = mem_zalloc(sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->fd < 0)
        err_errno(err, ERR_IO, "no file descriptor for incoming pictures");
    else if (threads_start(&p->thread, decode_thread, p, err))
        return p;
    if (p->fd >= 0)
        close(p->fd);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

void
pictures_close(struct pictures *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < p->count; i++)
        free_entry(p->entries[i]);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    close(p->fd);
    free(p);
}

int
pictures_fd(const struct pictures *p)
{
    return p->fd;
}

void
pictures_ready(struct pictures *p)
{
    uint64_t wakes;
    while (read(p->fd, &wakes, sizeof wakes) > 0)
        ;
}

// Drops the least recently used entry, but not the one being decoded.
static bool
drop_oldest(struct pictures *p)
{
    int oldest = -1;
    for (int i = 0; i < p->count; i++)
        if (p->entries[i]->state != ENTRY_DECODING &&
            (oldest < 0 || p->entries[i]->last_used < p->entries[oldest]->last_used))
            oldest = i;
    if (oldest < 0)
        return false;
    free_entry(p->entries[oldest]);
    p->entries[oldest] = p->entries[--p->count];
    return true;
}

static size_t
bytes_held(const struct pictures *p)
{
    size_t n = 0;
    for (int i = 0; i < p->count; i++)
        if (p->entries[i]->state == ENTRY_READY)
            n += p->entries[i]->image->stride * (size_t)p->entries[i]->image->height;
    return n;
}

static struct entry *
find(struct pictures *p, const char *file, int side, const struct timespec *changed)
{
    for (int i = 0; i < p->count; i++) {
        struct entry *e = p->entries[i];
        if (e->side == side && strcmp(e->file, file) == 0 && e->changed.tv_sec == changed->tv_sec &&
            e->changed.tv_nsec == changed->tv_nsec)
            return e;
    }
    return NULL;
}

struct image *
pictures_get(struct pictures *p, const char *file, int side, const char **failed)
{
    struct stat s = {0};
    stat(file, &s);
    pthread_mutex_lock(&p->lock);
    struct entry *e = find(p, file, side, &s.st_mtim);
    while (!e && (p->count == PICTURES_KEPT || bytes_held(p) > PICTURES_BYTES_MAX))
        if (!drop_oldest(p))
            break;
    if (!e && p->count < PICTURES_KEPT) {
        e = mem_zalloc(sizeof *e);
        e->file = mem_strdup(file);
        e->side = side;
        e->changed = s.st_mtim;
        p->entries[p->count++] = e;
        pthread_cond_signal(&p->wake);
    }
    if (e)
        e->last_used = ++p->clock;
    if (failed)
        *failed = e && e->state == ENTRY_FAILED ? e->reason : NULL;
    struct image *image = e && e->state == ENTRY_READY ? e->image : NULL;
    pthread_mutex_unlock(&p->lock);
    return image;
}

void
pictures_turn(struct pictures *p)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->count;) {
        if (p->entries[i]->state == ENTRY_WAITING && p->entries[i]->last_used <= p->turn) {
            free_entry(p->entries[i]);
            p->entries[i] = p->entries[--p->count];
        } else {
            i++;
        }
    }
    p->turn = p->clock;
    pthread_mutex_unlock(&p->lock);
}

bool
pictures_busy(struct pictures *p)
{
    bool busy = false;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->count; i++)
        busy = busy || p->entries[i]->state < ENTRY_READY;
    pthread_mutex_unlock(&p->lock);
    return busy;
}

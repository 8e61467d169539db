// SPDX-License-Identifier: MIT
#include "app/hub/get.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "app/base/digest.h"
#include "app/hub/http.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

enum { TRIES = 5, PIECE = 1 << 20, WAIT_MOST = 60 };

// A file on its way.
struct coming {
    struct get *g;
    char *path, *partial;
    int fd;
    int64_t have, size; // size: -1: not known
    char digest[DIGEST_TEXT];
    struct digest *sum; // of what is there
};

// --- Sums

static enum digest_kind
kind_of(const struct coming *c)
{
    return strlen(c->digest) == 40 ? DIGEST_SHA1 : DIGEST_SHA256;
}

// Git's sum of a blob is that of "blob SIZE\0" and its bytes.
static void
begin_sum(struct coming *c)
{
    if (c->sum)
        digest_end(c->sum, NULL);
    c->sum = digest_begin(kind_of(c));
    if (kind_of(c) == DIGEST_SHA1) {
        char head[40];
        int n = snprintf(head, sizeof head, "blob %" PRId64, c->size);
        digest_add(c->sum, head, (size_t)n + 1);
    }
}

static bool
sum_what_is_there(struct coming *c, struct err *err)
{
    char *piece = mem_alloc(PIECE);
    int64_t at = 0;
    ssize_t n = 0;
    begin_sum(c);
    while (at < c->have && (n = pread(c->fd, piece, PIECE, at)) > 0) {
        digest_add(c->sum, piece, (size_t)n);
        at += n;
    }
    free(piece);
    c->have = at;
    return n >= 0 || err_errno(err, ERR_IO, "%s", c->partial);
}

static bool
start_again(struct coming *c, struct err *err)
{
    c->g->done -= c->have;
    c->have = 0;
    begin_sum(c);
    return ftruncate(c->fd, 0) == 0 || err_errno(err, ERR_IO, "%s", c->partial);
}

// --- Bytes

static bool
take(void *ctx, int64_t from, const void *bytes, size_t size, struct err *err)
{
    struct coming *c = ctx;
    if (from != c->have && (from != 0 || !start_again(c, err)))
        return err_set(err, ERR_IO, "%s: the server sent a different part than requested", c->path);
    if (c->size >= 0 && (int64_t)size > c->size - c->have)
        return err_set(err, ERR_IO, "%s: the server sends more than the %" PRId64 " bytes it has",
                       c->path, c->size);
    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(c->fd, (const char *)bytes + at, size - at, c->have + (int64_t)at);
        if (n <= 0)
            return err_errno(err, ERR_IO, "%s", c->partial);
        at += (size_t)n;
    }
    digest_add(c->sum, bytes, size);
    c->have += (int64_t)size;
    c->g->done += (int64_t)size;
    if (c->g->progress)
        c->g->progress(c->g->ctx, c->g->done, c->g->total, NULL);
    return true;
}

// Sleeps, and looks up; false: stopped.
static bool
wait_for(struct get *g, int seconds, const char *why)
{
    if (g->progress)
        g->progress(g->ctx, g->done, g->total, why);
    for (int i = 0; i < seconds * 10; i++) {
        if (g->cancel && atomic_load(g->cancel))
            return false;
        usleep(100000);
    }
    return true;
}

// The rest of a file, with what passes tried again for as long as it brings something now and then.
static bool
bring(struct coming *c, const char *url, struct err *err)
{
    struct get *g = c->g;
    for (int tries = 1; c->size < 0 || c->have < c->size; tries++) {
        struct http_answer a;
        struct err own = {0};
        int64_t before = c->have;
        struct http_request r = {.url = url, .token = g->token, .from = c->have, .take = take,
                                 .patience = g->patience, .cancel = g->cancel, .ctx = c};
        bool ok = http_get(&r, &a, &own);
        if (c->size < 0)
            c->size = ok && a.size < 0 ? c->have : a.size;
        if (!*c->digest && *a.sha256)
            snprintf(c->digest, sizeof c->digest, "%s", a.sha256);
        if (ok && c->have >= c->size)
            return true;
        if (a.status == 416 && c->have > 0 && c->size < 0)
            return true; // all of it was there
        tries = c->have > before ? 1 : tries;
        if (!(ok || a.passing) || tries >= TRIES)
            return err_set(err, own.code ? own.code : ERR_IO, "%s%s", own.code ? own.text : c->path,
                           own.code ? "" : ": the server ended the transfer early");
        int seconds = a.retry_after > 0 ? MIN(a.retry_after, WAIT_MOST) : 1 << (tries - 1);
        if (!wait_for(g, seconds, own.text))
            return err_set(err, ERR_CANCELLED, "stopped");
    }
    return true;
}

// --- A file

static bool
open_partial(struct coming *c, struct err *err)
{
    struct stat st;
    c->fd = file_open(c->partial, O_RDWR | O_CREAT, err);
    if (c->fd < 0)
        return false;
    c->have = fstat(c->fd, &st) == 0 ? st.st_size : 0;
    if (c->size >= 0 && c->have > c->size) {
        c->have = 0;
        if (ftruncate(c->fd, 0) != 0)
            return err_errno(err, ERR_IO, "%s", c->partial);
    }
    return sum_what_is_there(c, err);
}

static bool
is_right(struct coming *c)
{
    char sum[DIGEST_TEXT];
    digest_end(c->sum, sum);
    c->sum = NULL;
    return !*c->digest || strcmp(sum, c->digest) == 0;
}

// What went on from earlier and is wrong is fetched once from its beginning.
static bool
bring_right(struct coming *c, const char *url, struct err *err)
{
    for (bool resumed = c->have > 0;; resumed = false) {
        if (!bring(c, url, err))
            return false;
        if (is_right(c))
            return true;
        if (!resumed) {
            unlink(c->partial);
            return err_set(err, ERR_IO, "%s is not what the hub has (its SHA-%s is wrong), and "
                                        "was removed", c->path,
                           kind_of(c) == DIGEST_SHA1 ? "1" : "256");
        }
        if (!start_again(c, err))
            return false;
    }
}

static bool
fetch(struct coming *c, const char *url, struct err *err)
{
    bool ok = open_partial(c, err);
    c->g->done += ok ? c->have : 0;
    ok = ok && bring_right(c, url, err);
    if (ok && fsync(c->fd) != 0)
        ok = err_errno(err, ERR_IO, "%s", c->partial);
    if (c->fd >= 0)
        close(c->fd);
    if (ok && rename(c->partial, c->path) != 0)
        ok = err_errno(err, ERR_IO, "%s", c->path);
    if (c->sum)
        digest_end(c->sum, NULL);
    return ok;
}

static struct coming
coming(struct get *g, const char *path, int64_t size, const char *digest)
{
    struct coming c = {.g = g, .path = file_join(g->folder, path), .fd = -1, .size = size};
    c.partial = mem_printf("%s.partial", c.path);
    snprintf(c.digest, sizeof c.digest, "%s", digest ? digest : "");
    return c;
}

static void
finish(struct coming *c)
{
    free(c->path);
    free(c->partial);
}

// --- All files

static int64_t
size_of(const char *folder, const char *path, const char *ending)
{
    struct stat st;
    char *full = mem_printf("%s/%s%s", folder, path, ending);
    int64_t size = stat(full, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
    free(full);
    return size;
}

static bool
is_there(const char *folder, const struct hub_file *f)
{
    return size_of(folder, f->path, "") == f->size;
}

int64_t
get_missing(const char *folder, const struct hub_model *m)
{
    int64_t sum = 0;
    for (int i = 0; i < m->count; i++) {
        const struct hub_file *f = &m->files[i];
        int64_t part = size_of(folder, f->path, ".partial");
        if (f->needed && !is_there(folder, f))
            sum += f->size - (part > 0 && part <= f->size ? part : 0);
    }
    return sum;
}

bool
get_room(const char *folder, int64_t bytes, int64_t *room, struct err *err)
{
    enum { SPARE = 1 << 20 }; // for folders and names
    struct statvfs st;
    if (!file_make_folders(folder, err))
        return false;
    if (statvfs(folder, &st) != 0)
        return err_errno(err, ERR_IO, "%s", folder);
    *room = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
    return *room - SPARE >= bytes || bytes == 0 ||
           err_set(err, ERR_IO, "%s has room for %.2f GB, but %.2f GB are needed", folder,
                   (double)*room / 1e9, (double)bytes / 1e9);
}

static bool
get_one(struct get *g, const struct hub_model *m, const struct hub_file *f, struct err *err)
{
    if (is_there(g->folder, f)) {
        g->done += f->size;
        return true;
    }
    struct coming c = coming(g, f->path, f->size, f->digest);
    char *url = hub_url(m, f->path), *folder = mem_strndup(c.path, strlen(c.path));
    *strrchr(folder, '/') = 0;
    bool ok = file_make_folders(folder, err) && fetch(&c, url, err);
    free(folder);
    free(url);
    finish(&c);
    return ok;
}

static bool
is_index(const struct hub_file *f)
{
    return strcmp(f->path, "model_index.json") == 0;
}

static bool
get_all(struct get *g, const struct hub_model *m, struct err *err)
{
    bool ok = true;
    g->total = m->bytes;
    g->done = 0;
    for (int last = 0; last < 2; last++)
        for (int i = 0; ok && i < m->count; i++)
            if (m->files[i].needed && is_index(&m->files[i]) == last)
                ok = get_one(g, m, &m->files[i], err);
    return ok;
}

// A descriptor that holds the folder's lock, -1: another has it.
static int
hold(const char *folder, struct err *err)
{
    char *path = file_join(folder, ".limn-get");
    int fd = file_open(path, O_RDWR | O_CREAT, err);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(err, ERR_IO, "another limn is downloading to %s", folder);
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

static void
let_go(int fd, const char *folder)
{
    char *path = file_join(folder, ".limn-get");
    if (fd >= 0) {
        unlink(path);
        close(fd);
    }
    free(path);
}

bool
get_model(struct get *g, const struct hub_model *m, struct err *err)
{
    int lock = file_make_folders(g->folder, err) ? hold(g->folder, err) : -1;
    bool ok = lock >= 0 && get_all(g, m, err);
    let_go(lock, g->folder);
    return ok;
}

bool
get_file(struct get *g, const char *url, const char *digest, char **path, struct err *err)
{
    size_t n = strcspn(url, "?#");
    char *plain = mem_strndup(url, n), *slash = strrchr(plain, '/');
    const char *name = slash ? slash + 1 : "";
    bool named = *name && name[0] != '.' && strspn(name, "abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name);
    int lock = -1;
    *path = NULL;
    if (!named)
        err_set(err, ERR_INPUT, "%.200s does not end with the name of a file", url);
    else if (file_make_folders(g->folder, err))
        lock = hold(g->folder, err);
    bool ok = lock >= 0;
    struct coming c = coming(g, name, -1, digest);
    if (ok && file_exists(c.path))
        ok = err_set(err, ERR_INPUT, "%s already exists", c.path);
    g->done = 0;
    g->total = -1;
    ok = ok && fetch(&c, url, err);
    if (ok)
        *path = mem_strdup(c.path);
    let_go(lock, g->folder);
    finish(&c);
    free(plain);
    return ok;
}

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

enum { TRIES = 5, CHUNK = 1 << 20, WAIT_MAX = 60 };

// A file being downloaded.
struct download {
    struct get *g;
    char *path, *partial;
    int fd;
    int64_t received, size; // size: -1: not known
    char digest[DIGEST_TEXT];
    struct digest *hash; // of what is there
};

// --- Hashes

static enum digest_kind
kind_of(const struct download *d)
{
    return strlen(d->digest) == 40 ? DIGEST_SHA1 : DIGEST_SHA256;
}

// Git's sum of a blob is that of "blob SIZE\0" and its bytes.
static void
begin_hash(struct download *d)
{
    if (d->hash)
        digest_end(d->hash, NULL);
    d->hash = digest_begin(kind_of(d));
    if (kind_of(d) == DIGEST_SHA1) {
        char head[40];
        int n = snprintf(head, sizeof head, "blob %" PRId64, d->size);
        digest_add(d->hash, head, (size_t)n + 1);
    }
}

static bool
hash_existing(struct download *d, struct err *err)
{
    char *chunk = mem_alloc(CHUNK);
    int64_t at = 0;
    ssize_t n = 0;
    begin_hash(d);
    while (at < d->received && (n = pread(d->fd, chunk, CHUNK, at)) > 0) {
        digest_add(d->hash, chunk, (size_t)n);
        at += n;
    }
    free(chunk);
    d->received = at;
    return n >= 0 || err_errno(err, ERR_IO, "%s", d->partial);
}

static bool
restart(struct download *d, struct err *err)
{
    d->g->done -= d->received;
    d->received = 0;
    begin_hash(d);
    return ftruncate(d->fd, 0) == 0 || err_errno(err, ERR_IO, "%s", d->partial);
}

// --- Bytes

static bool
receive(void *ctx, int64_t from, const void *bytes, size_t size, struct err *err)
{
    struct download *d = ctx;
    if (from != d->received && (from != 0 || !restart(d, err)))
        return err_set(err, ERR_IO, "%s: the server sent a different part than requested", d->path);
    if (d->size >= 0 && (int64_t)size > d->size - d->received)
        return err_set(err, ERR_IO, "%s: the server sends more than the %" PRId64 " bytes it has",
                       d->path, d->size);
    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(d->fd, (const char *)bytes + at, size - at, d->received + (int64_t)at);
        if (n <= 0)
            return err_errno(err, ERR_IO, "%s", d->partial);
        at += (size_t)n;
    }
    digest_add(d->hash, bytes, size);
    d->received += (int64_t)size;
    d->g->done += (int64_t)size;
    if (d->g->progress)
        d->g->progress(d->g->ctx, d->g->done, d->g->total, NULL);
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
fetch_remaining(struct download *d, const char *url, struct err *err)
{
    struct get *g = d->g;
    for (int tries = 1; d->size < 0 || d->received < d->size; tries++) {
        struct http_answer a;
        struct err own = {0};
        int64_t before = d->received;
        struct http_request r = {.url = url,
                                 .token = g->token,
                                 .from = d->received,
                                 .take = receive,
                                 .timeout = g->timeout,
                                 .cancel = g->cancel,
                                 .ctx = d};
        bool ok = http_get(&r, &a, &own);
        if (d->size < 0)
            d->size = ok && a.size < 0 ? d->received : a.size;
        if (!*d->digest && *a.sha256)
            snprintf(d->digest, sizeof d->digest, "%s", a.sha256);
        if (ok && d->received >= d->size)
            return true;
        if (a.status == 416 && d->received > 0 && d->size < 0)
            return true; // all of it was there
        tries = d->received > before ? 1 : tries;
        if (!(ok || a.transient) || tries >= TRIES)
            return err_set(err, own.code ? own.code : ERR_IO, "%s%s", own.code ? own.text : d->path,
                           own.code ? "" : ": the server ended the transfer early");
        int seconds = a.retry_after > 0 ? MIN(a.retry_after, WAIT_MAX) : 1 << (tries - 1);
        if (!wait_for(g, seconds, own.text))
            return err_set(err, ERR_CANCELLED, "stopped");
    }
    return true;
}

// --- A file

static bool
open_partial(struct download *d, struct err *err)
{
    struct stat st;
    d->fd = file_open(d->partial, O_RDWR | O_CREAT, err);
    if (d->fd < 0)
        return false;
    d->received = fstat(d->fd, &st) == 0 ? st.st_size : 0;
    if (d->size >= 0 && d->received > d->size) {
        d->received = 0;
        if (ftruncate(d->fd, 0) != 0)
            return err_errno(err, ERR_IO, "%s", d->partial);
    }
    return hash_existing(d, err);
}

static bool
verify(struct download *d)
{
    char sum[DIGEST_TEXT];
    digest_end(d->hash, sum);
    d->hash = NULL;
    return !*d->digest || strcmp(sum, d->digest) == 0;
}

// What went on from earlier and is wrong is fetched once from its beginning.
static bool
fetch_verified(struct download *d, const char *url, struct err *err)
{
    for (bool resumed = d->received > 0;; resumed = false) {
        if (!fetch_remaining(d, url, err))
            return false;
        if (verify(d))
            return true;
        if (!resumed) {
            unlink(d->partial);
            return err_set(err, ERR_IO, "%s is not what the hub has (its SHA-%s is wrong), and "
                                        "was removed", d->path,
                           kind_of(d) == DIGEST_SHA1 ? "1" : "256");
        }
        if (!restart(d, err))
            return false;
    }
}

static bool
fetch(struct download *d, const char *url, struct err *err)
{
    bool ok = open_partial(d, err);
    d->g->done += ok ? d->received : 0;
    ok = ok && fetch_verified(d, url, err);
    if (ok && fsync(d->fd) != 0)
        ok = err_errno(err, ERR_IO, "%s", d->partial);
    if (d->fd >= 0)
        close(d->fd);
    if (ok && rename(d->partial, d->path) != 0)
        ok = err_errno(err, ERR_IO, "%s", d->path);
    if (d->hash)
        digest_end(d->hash, NULL);
    return ok;
}

static struct download
download_new(struct get *g, const char *path, int64_t size, const char *digest)
{
    struct download d = {.g = g, .path = file_join(g->folder, path), .fd = -1, .size = size};
    d.partial = mem_printf("%s.partial", d.path);
    snprintf(d.digest, sizeof d.digest, "%s", digest ? digest : "");
    return d;
}

static void
download_finish(struct download *d)
{
    free(d->path);
    free(d->partial);
}

// --- All files

static int64_t
size_of(const char *folder, const char *path, const char *suffix)
{
    struct stat st;
    char *full = mem_printf("%s/%s%s", folder, path, suffix);
    int64_t size = stat(full, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
    free(full);
    return size;
}

static bool
is_complete(const char *folder, const struct hub_file *f)
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
        if (f->needed && !is_complete(folder, f))
            sum += f->size - (part > 0 && part <= f->size ? part : 0);
    }
    return sum;
}

bool
get_check_space(const char *folder, int64_t bytes, int64_t *room, struct err *err)
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
get_hub_file(struct get *g, const struct hub_model *m, const struct hub_file *f, struct err *err)
{
    if (is_complete(g->folder, f)) {
        g->done += f->size;
        return true;
    }
    struct download d = download_new(g, f->path, f->size, f->digest);
    char *url = hub_url(m, f->path), *folder = mem_strndup(d.path, strlen(d.path));
    *strrchr(folder, '/') = 0;
    bool ok = file_make_folders(folder, err) && fetch(&d, url, err);
    free(folder);
    free(url);
    download_finish(&d);
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
                ok = get_hub_file(g, m, &m->files[i], err);
    return ok;
}

// A descriptor that holds the folder's lock, -1: another has it.
static int
lock_folder(const char *folder, struct err *err)
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
unlock_folder(int fd, const char *folder)
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
    int lock = file_make_folders(g->folder, err) ? lock_folder(g->folder, err) : -1;
    bool ok = lock >= 0 && get_all(g, m, err);
    unlock_folder(lock, g->folder);
    return ok;
}

bool
get_file(struct get *g, const char *url, const char *digest, char **path, struct err *err)
{
    size_t n = strcspn(url, "?#");
    char *path_of_url = mem_strndup(url, n), *slash = strrchr(path_of_url, '/');
    const char *name = slash ? slash + 1 : "";
    bool named = *name && name[0] != '.' && strspn(name, "abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name);
    int lock = -1;
    *path = NULL;
    if (!named)
        err_set(err, ERR_INPUT, "%.200s does not end with the name of a file", url);
    else if (file_make_folders(g->folder, err))
        lock = lock_folder(g->folder, err);
    bool ok = lock >= 0;
    struct download d = download_new(g, name, -1, digest);
    if (ok && file_exists(d.path))
        ok = err_set(err, ERR_INPUT, "%s already exists", d.path);
    g->done = 0;
    g->total = -1;
    ok = ok && fetch(&d, url, err);
    if (ok)
        *path = mem_strdup(d.path);
    unlock_folder(lock, g->folder);
    download_finish(&d);
    free(path_of_url);
    return ok;
}

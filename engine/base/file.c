// SPDX-License-Identifier: MIT
#include "engine/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"

// Names of the files being written, so that an interrupt can remove them.
enum { OUT_MAX = 16 };
static _Atomic(char *) out_names[OUT_MAX];

static bool
is_regular(int fd, const char *path, struct stat *st, struct err *err)
{
    if (fstat(fd, st) != 0)
        return err_errno(err, ERR_IO, "%s", path);
    return S_ISREG(st->st_mode) || err_set(err, ERR_INPUT, "%s: not a regular file", path);
}

static int
open_regular(const char *path, struct stat *st, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_errno(err, ERR_INPUT, "%s", path);
        return -1;
    }
    if (!is_regular(fd, path, st, err)) {
        close(fd);
        return -1;
    }
    return fd;
}

char *
file_read(const char *path, size_t limit, size_t *size, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_errno(err, ERR_INPUT, "%s", path);
        return NULL;
    }
    return file_read_open(fd, path, limit, size, err);
}

char *
file_read_open(int fd, const char *path, size_t limit, size_t *size, struct err *err)
{
    struct stat st;
    char *data = NULL;
    if (!is_regular(fd, path, &st, err))
        goto out;
    size_t want = (size_t)st.st_size;
    if (want > limit) {
        err_set(err, ERR_INPUT, "%s: %zu bytes, the limit is %zu", path, want, limit);
        goto out;
    }
    data = mem_try_calloc(want + 1, 1, path, err);
    if (!data)
        goto out;
    size_t have = 0;
    while (have < want) {
        ssize_t n = read(fd, data + have, want - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(err, ERR_IO, "%s", path);
            free(data);
            data = NULL;
            goto out;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    data[have] = 0;
    if (size)
        *size = have;
out:
    close(fd);
    return data;
}

bool
file_map(struct file_map *map, const char *path, struct err *err)
{
    *map = (struct file_map){0};
    struct stat st;
    int fd = open_regular(path, &st, err);
    if (fd < 0)
        return false;
    bool ok = true;
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            ok = err_errno(err, ERR_IO, "%s: cannot map", path);
        } else {
            map->data = p;
            map->size = (size_t)st.st_size;
        }
    }
    close(fd);
    return ok;
}

void
file_unmap(struct file_map *map)
{
    if (map && map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    if (map)
        *map = (struct file_map){0};
}

static void
remember(char *name)
{
    for (int i = 0; i < OUT_MAX; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&out_names[i], &none, name))
            return;
    }
}

static void
forget(char *name)
{
    for (int i = 0; i < OUT_MAX; i++) {
        char *same = name;
        if (atomic_compare_exchange_strong(&out_names[i], &same, NULL))
            return;
    }
}

void
file_out_abort_all(void)
{
    for (int i = 0; i < OUT_MAX; i++) {
        char *name = atomic_exchange(&out_names[i], NULL);
        if (name)
            unlink(name);
    }
}

bool
file_out_open(struct file_out *out, const char *path, struct err *err)
{
    *out = (struct file_out){.fd = -1};
    out->path = mem_strdup(path);
    out->temporary = mem_printf("%s.XXXXXX", path);
    out->fd = mkostemp(out->temporary, O_CLOEXEC);
    if (out->fd < 0) {
        err_errno(err, ERR_IO, "%s: cannot create", path);
        free(out->path);
        free(out->temporary);
        *out = (struct file_out){.fd = -1};
        return false;
    }
    remember(out->temporary);
    mode_t mask = umask(0);
    umask(mask);
    fchmod(out->fd, 0666 & ~mask);
    return true;
}

bool
file_out_write(struct file_out *out, const void *data, size_t size, struct err *err)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(out->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, "%s: cannot write", out->path);
        p += n;
        size -= (size_t)n;
    }
    return true;
}

void
file_out_abort(struct file_out *out)
{
    if (out->fd >= 0)
        close(out->fd);
    if (out->temporary) {
        unlink(out->temporary);
        forget(out->temporary);
    }
    free(out->temporary);
    free(out->path);
    *out = (struct file_out){.fd = -1};
}

bool
file_out_commit(struct file_out *out, struct err *err)
{
    bool ok = fsync(out->fd) == 0 || errno == EINVAL || errno == EROFS;
    if (!ok)
        err_errno(err, ERR_IO, "%s: cannot write", out->path);
    if (close(out->fd) != 0 && ok)
        ok = err_errno(err, ERR_IO, "%s: cannot write", out->path);
    out->fd = -1;
    if (ok && rename(out->temporary, out->path) != 0)
        ok = err_errno(err, ERR_IO, "%s: cannot rename into place", out->path);
    if (ok) {
        forget(out->temporary);
        free(out->temporary);
        out->temporary = NULL;
    }
    file_out_abort(out);
    return ok;
}

bool
file_write(const char *path, const void *data, size_t size, struct err *err)
{
    struct file_out out;
    if (!file_out_open(&out, path, err))
        return false;
    if (!file_out_write(&out, data, size, err)) {
        file_out_abort(&out);
        return false;
    }
    return file_out_commit(&out, err);
}

bool
file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool
file_make_folders(const char *path, struct err *err)
{
    char *copy = mem_strdup(path);
    bool ok = true;
    for (char *p = copy + 1; ok && *copy; p++) {
        if (*p != '/' && *p != 0)
            continue;
        char saved = *p;
        *p = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            ok = err_errno(err, ERR_IO, "%s: cannot create the folder", copy);
        *p = saved;
        if (saved == 0)
            break;
    }
    free(copy);
    return ok;
}

char *
file_join(const char *folder, const char *name)
{
    if (!folder || !*folder || name[0] == '/')
        return mem_strdup(name);
    size_t n = strlen(folder);
    return mem_printf("%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

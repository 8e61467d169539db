// SPDX-License-Identifier: MIT
#include "engine/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"

static bool
is_regular(int fd, const char *path, struct stat *st, struct err *err)
{
    if (fstat(fd, st) != 0)
        return err_errno(err, ERR_IO, "%s", path);
    return S_ISREG(st->st_mode) || err_set(err, ERR_INPUT, "%s: %s, not a regular file", path,
                                           file_kind(st->st_mode));
}

// Opening a device or a pipe can have effects of its own, and can wait for ever: what it is is
// looked at first, and once more of what was opened.
static int
open_regular(const char *path, int flags, mode_t mode, struct err *err)
{
    struct stat st;
    int fd = -1;
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    bool there = stat(path, &st) == 0;
    if (!*path)
        err_set(err, ERR_INPUT, "the file name is empty");
    else if (there && !S_ISREG(st.st_mode))
        err_set(err, ERR_INPUT, "%s: %s, not a regular file", path, file_kind(st.st_mode));
    else if ((fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode)) < 0)
        err_errno(err, writes ? ERR_IO : ERR_INPUT, "%s", path);
    if (fd >= 0 && !is_regular(fd, path, &st, err)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int
file_open(const char *path, int flags, struct err *err)
{
    return open_regular(path, flags, 0666, err);
}

int
file_open_private(const char *path, int flags, struct err *err)
{
    return open_regular(path, flags, 0600, err);
}

FILE *
file_stream(const char *path, const char *mode, struct err *err)
{
    int flags = mode[0] == 'r' ? mode[1] == '+' ? O_RDWR : O_RDONLY
                               : O_WRONLY | O_CREAT | (mode[0] == 'a' ? O_APPEND : O_TRUNC);
    int fd = file_open(path, flags, err);
    FILE *f = fd >= 0 ? fdopen(fd, mode) : NULL;
    if (fd >= 0 && !f) {
        err_errno(err, ERR_IO, "%s", path);
        close(fd);
    }
    return f;
}

const char *
file_kind(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISREG(mode)  ? "a regular file"
                            : "a device";
}

char *
file_read(const char *path, size_t limit, size_t *size, struct err *err)
{
    int fd = file_open(path, O_RDONLY, err);
    return fd < 0 ? NULL : file_read_open(fd, path, limit, size, err);
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
file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool
file_is_taken(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool
file_no_links(const char *folder, int depth, struct err *err)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, NULL);
    bool ok = n >= 0 || errno == ENOENT || errno == ENOTDIR ||
              err_errno(err, ERR_IO, "%s", folder);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        struct stat st;
        char *path = file_join(folder, name);
        bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
        bool there = ok && !dots && lstat(path, &st) == 0;
        if (there && S_ISLNK(st.st_mode))
            ok = err_set(err, ERR_INPUT,
                         "%s is a symbolic link: limn writes here only to files of the folder "
                         "itself; remove it, or name another folder",
                         path);
        else if (there && S_ISDIR(st.st_mode) && depth > 0)
            ok = file_no_links(path, depth - 1, err);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static bool
make_folders(const char *path, mode_t mode, struct err *err)
{
    char *copy = mem_strdup(path);
    bool ok = true;
    for (char *p = copy + 1; ok && *copy; p++) {
        if (*p != '/' && *p != 0)
            continue;
        char saved = *p;
        *p = 0;
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            ok = err_errno(err, ERR_IO, "%s: cannot create the folder", copy);
        *p = saved;
        if (saved == 0)
            break;
    }
    free(copy);
    return ok;
}

bool
file_make_folders(const char *path, struct err *err)
{
    return make_folders(path, 0777, err);
}

bool
file_make_private(const char *path, struct err *err)
{
    return make_folders(path, 0700, err);
}

bool
file_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool
file_is_below(const char *path, const char *folder)
{
    char *whole = realpath(folder, NULL), *file = realpath(path, NULL);
    size_t n = whole ? strlen(whole) : 0;
    bool below = whole && file && strncmp(file, whole, n) == 0 && file[n] == '/';
    free(whole);
    free(file);
    return below;
}

char *
file_folder(const char *path)
{
    const char *last = file_basename(path);
    size_t n = (size_t)(last - path);
    return mem_strndup(path, n > 1 ? n - 1 : n);
}

const char *
file_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *
file_join(const char *folder, const char *name)
{
    if (!folder || !*folder || name[0] == '/')
        return mem_strdup(name);
    size_t n = strlen(folder);
    return mem_printf("%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

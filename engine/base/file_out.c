// SPDX-License-Identifier: MIT
// Files that appear whole or not at all. What is written goes to ".limn-XXXXXX.part" in the folder
// of the file, whatever the length of its name; its process holds a lock on it (flock) for as long
// as it lives, so that leftovers of dead processes are recognised on any machine that shares the
// folder.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

#define PART_PATTERN ".limn-??????.part"

enum { OUT_MAX = 16, TRIES = 100 };

// Names of the files being written, so that an interrupt can remove them; whose they are: a copy of
// the process, made by fork(), leaves them alone.
static _Atomic(char *) out_names[OUT_MAX];
static atomic_int out_owner;

static void
register_part(char *name)
{
    int self = (int)getpid(), before = atomic_exchange(&out_owner, self);
    if (before && before != self) // a copy: these are its parent's
        for (int i = 0; i < OUT_MAX; i++)
            atomic_store(&out_names[i], NULL);
    for (int i = 0; i < OUT_MAX; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&out_names[i], &none, name))
            return;
    }
}

static void
unregister_part(char *name)
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
    for (int i = 0; i < OUT_MAX && atomic_load(&out_owner) == (int)getpid(); i++) {
        char *name = atomic_exchange(&out_names[i], NULL);
        if (name)
            unlink(name);
    }
}

// --- what may be written to

// Where the last of the links is that `path` begins, or path itself. A link may lead to what is not
// there yet.
static char *
follow_links(const char *path, struct err *err)
{
    char *at = mem_strdup(path), to[4096];
    for (int i = 0; i < LIMIT_LINKS; i++) {
        ssize_t n = readlink(at, to, sizeof to - 1);
        if (n < 0)
            return at;
        to[n] = 0;
        char *slash = strrchr(at, '/');
        char *folder = slash ? mem_strndup(at, (size_t)(slash + 1 - at)) : mem_strdup("");
        free(at);
        at = file_join(folder, to);
        free(folder);
    }
    free(at);
    errno = ELOOP;
    err_errno(err, ERR_IO, "%s", path);
    return NULL;
}

// A file that is mounted by itself can be written into, but nothing can take its place.
static bool
is_mount(const char *path)
{
    struct statx st;
    return statx(AT_FDCWD, path, 0, STATX_TYPE, &st) == 0 &&
           (st.stx_attributes_mask & st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

// The file that `path` means, links followed, and its mode; 0: it is not there yet. NULL: refused.
static char *
target_of(const char *path, mode_t *mode, struct err *err)
{
    struct stat st;
    *mode = 0;
    size_t n = strlen(path);
    if (n == 0) {
        err_set(err, ERR_INPUT, "the name of the output file is empty");
    } else if (stat(path, &st) == 0) {
        *mode = st.st_mode;
        if (!S_ISREG(st.st_mode))
            err_set(err, ERR_INPUT, "%s is %s: limn writes only to regular files and new names",
                    path, file_kind(st.st_mode));
        else if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
            err_errno(err, ERR_IO, "%s: cannot write", path);
        else if (is_mount(path))
            err_set(err, ERR_IO, "%s is a mount point, so no new file can replace it: mount its "
                                 "folder instead", path);
        else
            return follow_links(path, err);
    } else if (errno != ENOENT) {
        err_errno(err, ERR_IO, "%s: cannot write", path);
    } else if (path[n - 1] == '/') {
        err_set(err, ERR_INPUT, "%s: there is no such folder", path);
    } else {
        return follow_links(path, err);
    }
    return NULL;
}

// --- temporary files

static void
put_random(char *six)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEF";
    uint8_t bytes[6] = {0};
    if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) < 0)
        memcpy(bytes, &(uint64_t){(uint64_t)getpid() * 2654435761u}, sizeof bytes);
    for (int i = 0; i < 6; i++)
        six[i] = letters[bytes[i] & 31];
}

// A new file in the folder of `target`, locked; *name gets its name. -1 and errno.
static int
create(const char *target, mode_t mode, char **name)
{
    const char *slash = strrchr(target, '/');
    int folder = slash ? (int)(slash + 1 - target) : 0;
    char *at = mem_printf("%.*s.limn-XXXXXX.part", folder, target);
    for (int i = 0; i < TRIES; i++) {
        struct stat st;
        put_random(at + folder + strlen(".limn-"));
        int fd = open(at, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd >= 0)
            flock(fd, LOCK_EX); // where there are no locks, nobody sweeps
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0) { // swept before it was locked
            close(fd);
            continue;
        }
        *name = at;
        return fd;
    }
    *name = at;
    return -1;
}

static bool
is_dead_part(int folder, const char *name)
{
    struct stat st;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    bool dead = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (dead)
        unlinkat(folder, name, 0); // still locked
    if (fd >= 0)
        close(fd);
    return dead;
}

int
file_sweep(const char *folder)
{
    int count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (fnmatch(PART_PATTERN, e->d_name, 0) == 0)
            count += is_dead_part(dirfd(d), e->d_name);
    if (d)
        closedir(d);
    return count;
}

// --- writing

static bool
open_out(struct file_out *out, const char *path, bool private, struct err *err)
{
    mode_t mode;
    *out = (struct file_out){.fd = -1};
    char *target = target_of(path, &mode, err);
    if (!target)
        return false;
    out->fd = create(target, private ? 0600 : mode ? mode & 0666 : 0666, &out->temporary);
    if (out->fd < 0) {
        err_errno(err, ERR_IO, "%s: cannot create", path);
        free(out->temporary);
        free(target);
        *out = (struct file_out){.fd = -1};
        return false;
    }
    out->path = target;
    register_part(out->temporary);
    if (mode && !private)
        fchmod(out->fd, mode & 0777); // as it was, whatever the umask
    return true;
}

bool
file_out_open(struct file_out *out, const char *path, struct err *err)
{
    return open_out(out, path, false, err);
}

bool
file_out_check(const char *path, struct err *err)
{
    struct file_out out;
    if (!file_out_open(&out, path, err))
        return false;
    const char *slash = strrchr(out.path, '/');
    char *folder = slash ? mem_strndup(out.path, (size_t)(slash + 1 - out.path)) : mem_strdup(".");
    file_sweep(folder);
    free(folder);
    file_out_abort(&out);
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
        unregister_part(out->temporary);
    }
    free(out->temporary);
    free(out->path);
    *out = (struct file_out){.fd = -1};
}

// What a folder holds is on the disk. Where that cannot be asked for, the disk does as it does.
static void
sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash + 1 - path)) : mem_strdup(".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

// What stands at `path` gets the name `previous` as well. It keeps its own, but on a disk without
// hard links.
static bool
keep_previous(const char *path, const char *previous, struct err *err)
{
    if (!file_exists(path))
        return true;
    unlink(previous);
    return link(path, previous) == 0 || rename(path, previous) == 0 ||
           err_errno(err, ERR_IO, "%s: cannot create", previous);
}

bool
file_out_commit_keeping(struct file_out *out, const char *previous, struct err *err)
{
    bool ok = fsync(out->fd) == 0 || errno == EINVAL || errno == EROFS;
    if (!ok)
        err_errno(err, ERR_IO, "%s: cannot write", out->path);
    ok = ok && (!previous || keep_previous(out->path, previous, err));
    if (ok && rename(out->temporary, out->path) != 0)
        ok = err_errno(err, ERR_IO, "%s: cannot rename into place", out->path);
    if (ok) {
        unregister_part(out->temporary);
        free(out->temporary);
        out->temporary = NULL;
        sync_folder_of(out->path);
    }
    if (close(out->fd) != 0 && ok)
        ok = err_errno(err, ERR_IO, "%s: cannot write", out->path);
    out->fd = -1;
    file_out_abort(out);
    return ok;
}

bool
file_out_commit(struct file_out *out, struct err *err)
{
    return file_out_commit_keeping(out, NULL, err);
}

static bool
write_whole(const char *path, const void *data, size_t size, bool private, struct err *err)
{
    struct file_out out;
    if (!open_out(&out, path, private, err))
        return false;
    if (!file_out_write(&out, data, size, err)) {
        file_out_abort(&out);
        return false;
    }
    return file_out_commit(&out, err);
}

bool
file_write(const char *path, const void *data, size_t size, struct err *err)
{
    return write_whole(path, data, size, false, err);
}

bool
file_write_private(const char *path, const void *data, size_t size, struct err *err)
{
    return write_whole(path, data, size, true, err);
}

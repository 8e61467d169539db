// SPDX-License-Identifier: MIT
#include "engine/base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

// --- link by link

struct walk {
    int *folders; // those passed, from the root; the last is where we are
    int depth, capacity;
    char rest[PATH_MAX]; // still to go
};

static void
push_folder(struct walk *w, int folder)
{
    ARRAY_PUSH(w->folders, w->depth, w->capacity, folder);
}

static bool
fail_with(int number)
{
    errno = number;
    return false;
}

// The next part of the path; "" when there is none left.
static void
next_part(struct walk *w, char part[NAME_MAX + 1])
{
    const char *from = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(from, "/");
    memcpy(part, from, MIN(n, NAME_MAX));
    part[MIN(n, NAME_MAX)] = 0;
    memmove(w->rest, from + n, strlen(from + n) + 1);
}

// What the link says takes its place in the path.
static bool
follow(struct walk *w, int link)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(link, "", text, sizeof text);
    size_t rest = strlen(w->rest);
    if (n <= 0 || (size_t)n + rest >= sizeof w->rest)
        return fail_with(n < 0 ? errno : ENAMETOOLONG);
    if (text[0] == '/')
        return fail_with(EXDEV);
    memmove(w->rest + n, w->rest, rest + 1);
    memcpy(w->rest, text, (size_t)n);
    return true;
}

static bool
pop_folder(struct walk *w)
{
    if (w->depth == 1)
        return fail_with(EXDEV);
    close(w->folders[--w->depth]);
    return true;
}

// One part further; *found: the file at the end of the path, still -1 before it.
static bool
step(struct walk *w, const char *part, int flags, int *links, int *found)
{
    int here = w->folders[w->depth - 1];
    struct stat st;
    if (strcmp(part, ".") == 0 || !*part)
        return true;
    if (strcmp(part, "..") == 0)
        return pop_folder(w);
    int fd = openat(here, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &st) == 0, last = !w->rest[strspn(w->rest, "/")];
    if (ok && S_ISDIR(st.st_mode)) {
        push_folder(w, fd);
        return true;
    }
    if (ok && S_ISLNK(st.st_mode))
        ok = ++*links <= LIMIT_LINKS ? follow(w, fd) : fail_with(ELOOP);
    else if (ok && !last)
        ok = fail_with(ENOTDIR);
    else if (ok)
        ok = (*found = openat(here, part, flags | O_NOFOLLOW | O_CLOEXEC)) >= 0;
    int number = errno;
    if (fd >= 0)
        close(fd);
    errno = number;
    return ok;
}

int
beneath_walk(int root, const char *name, int flags)
{
    struct walk w = {0};
    int found = -1, links = 0;
    if (name[0] == '/' || strlen(name) >= sizeof w.rest) {
        errno = name[0] == '/' ? EXDEV : ENAMETOOLONG;
        return -1;
    }
    memcpy(w.rest, name, strlen(name) + 1);
    push_folder(&w, fcntl(root, F_DUPFD_CLOEXEC, 0));
    bool ok = w.folders[0] >= 0;
    while (ok && found < 0 && w.rest[strspn(w.rest, "/")]) {
        char part[NAME_MAX + 1];
        next_part(&w, part);
        ok = step(&w, part, flags, &links, &found);
    }
    if (ok && found < 0) // a folder
        found = openat(w.folders[w.depth - 1], ".", flags | O_CLOEXEC);
    int number = errno;
    while (w.depth > 0)
        close(w.folders[--w.depth]);
    free(w.folders);
    errno = number;
    return found;
}

// --- the kernel's own

static int
open_below(const char *folder, const char *name, int flags)
{
    struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int root = open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -1;
    int fd = -1;
    for (int again = 0; fd < 0 && again < 8 && (again == 0 || errno == EAGAIN); again++)
        fd = (int)syscall(SYS_openat2, root, name, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN))
        fd = beneath_walk(root, name, flags);
    int number = errno;
    close(root);
    errno = number;
    return fd;
}

// --- names

static bool
check_name(const char *name, struct err *err)
{
    if (!*name)
        return err_set(err, ERR_INPUT, "the file name is empty");
    if (name[0] == '/')
        return err_set(err, ERR_INPUT, "%s is an absolute path", name);
    for (const char *part = name; *part; part += strspn(part, "/")) {
        size_t n = strcspn(part, "/");
        if (n == 2 && memcmp(part, "..", 2) == 0)
            return err_set(err, ERR_INPUT, "%s leads outside the folder of the file that names it",
                           name);
        if (n > 1 && part[0] == '.')
            return err_set(err, ERR_INPUT, "%s is a hidden file", name);
        part += n;
    }
    return true;
}

static bool
name_failed(const char *name, struct err *err)
{
    if (errno == ELOOP)
        return err_set(err, ERR_INPUT, "%s has more than %d symbolic links on its way", name,
                       LIMIT_LINKS);
    if (errno == EXDEV)
        return err_set(err, ERR_INPUT,
                       "%s is a link that leads outside the folder of the file that names it",
                       name);
    return err_errno(err, ERR_INPUT, "%s", name);
}

char *
beneath_path(const char *folder, const char *name, struct err *err)
{
    if (!check_name(name, err))
        return NULL;
    char *known = mem_strdup(name), *end = known + strlen(known);
    int fd = -1;
    // What is not there yet cannot lead anywhere: the folders before it can.
    while (fd < 0 && end > known) {
        *end = 0;
        fd = open_below(folder, known, O_PATH);
        if (fd < 0 && errno != ENOENT)
            break;
        while (end > known && *end != '/')
            end--;
    }
    bool ok = fd >= 0 || errno == ENOENT || name_failed(name, err);
    if (fd >= 0)
        close(fd);
    free(known);
    return ok ? file_join(folder, name) : NULL;
}

char *
beneath_read(const char *folder, const char *name, size_t limit, size_t *size, struct err *err)
{
    if (!check_name(name, err))
        return NULL;
    int fd = open_below(folder, name, O_RDONLY | O_NONBLOCK);
    if (fd < 0) {
        name_failed(name, err);
        return NULL;
    }
    return file_read_open(fd, name, limit, size, err);
}

// SPDX-License-Identifier: MIT
// Mappings, and their behaviour when the file is truncated. Reading a page that no longer exists
// raises SIGBUS. The handler maps zeros in place of the missing pages and marks the mapping: the
// reader continues and learns of it from file_map_check().
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"

enum { MAP_MAX = 2048 };

// A live mapping; first 0: none. `last` is set before `first`, and reset after it.
static struct {
    atomic_uintptr_t first, last;
    atomic_bool cut;
} maps[MAP_MAX];
static uintptr_t page_size;

static void
on_bus(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr, page = at & ~(page_size - 1);
    int kept = errno;
    (void)context;
    for (int i = 0; i < MAP_MAX; i++) {
        uintptr_t first = atomic_load(&maps[i].first), last = atomic_load(&maps[i].last);
        if (!first || at < first || at >= last)
            continue;
        atomic_store(&maps[i].cut, true);
        void *zeros = mmap((void *)page, last - page, PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (zeros != MAP_FAILED) {
            errno = kept;
            return;
        }
    }
    signal(number, SIG_DFL); // none of ours: the read is tried again and ends the process
}

void
file_map_guard(void)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_RESTART};
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigaction(SIGBUS, &action, NULL);
}

static bool
enter(struct file_map *map)
{
    uintptr_t first = (uintptr_t)map->data, page = (uintptr_t)sysconf(_SC_PAGESIZE), none = 0;
    uintptr_t size = (map->size + page - 1) & ~(page - 1); // what follows may be another's
    for (unsigned i = 0; i < MAP_MAX; i++) {
        if (!atomic_compare_exchange_strong(&maps[i].last, &none, first + size)) {
            none = 0;
            continue;
        }
        atomic_store(&maps[i].cut, false);
        atomic_store(&maps[i].first, first);
        map->slot = i;
        return true;
    }
    return false;
}

bool
file_map(struct file_map *map, const char *path, struct err *err)
{
    *map = (struct file_map){0};
    struct stat st;
    int fd = file_open(path, O_RDONLY, err);
    if (fd < 0)
        return false;
    bool ok = fstat(fd, &st) == 0 || err_errno(err, ERR_IO, "%s", path);
    if (ok && st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            ok = err_errno(err, ERR_IO, "%s: cannot map", path);
        } else {
            *map = (struct file_map){.data = p, .size = (size_t)st.st_size,
                                     .device = st.st_dev, .inode = st.st_ino,
                                     .modified = st.st_mtim, .changed = st.st_ctim};
            ok = enter(map);
            if (ok)
                map->path = mem_strdup(path);
            else
                munmap(p, map->size);
        }
        if (!ok)
            err_set(err, ERR_IO, "%s: more than %d files are mapped", path, MAP_MAX);
    }
    close(fd);
    if (!ok)
        *map = (struct file_map){0};
    return ok;
}

bool
file_map_check(const struct file_map *map, struct err *err)
{
    struct stat st;
    if (!map->data)
        return true;
    bool cut = atomic_load(&maps[map->slot].cut);
    // Within its last page nothing is raised. A file of that name that is another one is no news:
    // the old one is still whole behind the mapping.
    if (!cut && stat(map->path, &st) == 0)
        cut = st.st_dev == map->device && st.st_ino == map->inode &&
              (uint64_t)st.st_size < map->size;
    return !cut || err_set(err, ERR_IO, "%s was truncated, or became unreadable, while in use",
                           map->path);
}

bool
file_map_unchanged(const struct file_map *map, struct err *err)
{
    struct stat st;
    if (!map->data || stat(map->path, &st) != 0 || st.st_dev != map->device ||
        st.st_ino != map->inode)
        return true; // gone or replaced: what is mapped is still the old one
    bool same = st.st_mtim.tv_sec == map->modified.tv_sec &&
                st.st_mtim.tv_nsec == map->modified.tv_nsec;
    return same || err_set(err, ERR_IO, "%s was changed while in use", map->path);
}

void
file_map_forget(const void *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)data;
    uintptr_t from = first & ~(page - 1), to = (first + size) & ~(page - 1);
    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

void
file_unmap(struct file_map *map)
{
    if (map && map->data) {
        atomic_store(&maps[map->slot].first, 0);
        munmap((void *)(uintptr_t)map->data, map->size);
        atomic_store(&maps[map->slot].last, 0);
        free(map->path);
    }
    if (map)
        *map = (struct file_map){0};
}

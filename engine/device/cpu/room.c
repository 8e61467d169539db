// SPDX-License-Identifier: MIT
#include "engine/device/cpu/room.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"

// The file names of one version of control groups.
struct version {
    const char *mount, *used, *limits[2];
    const char *files[2]; // keys of memory.stat
};

static const struct version first = {
    "/sys/fs/cgroup/memory", "memory.usage_in_bytes", {"memory.limit_in_bytes"},
    {"total_inactive_file ", "total_active_file "}};
static const struct version second = {
    "/sys/fs/cgroup", "memory.current", {"memory.max", "memory.high"},
    {"inactive_file ", "active_file "}};

// The number after `key` at the beginning of a line; 0 if there is none ("max" is none).
static uint64_t
number_of(const char *path, const char *key)
{
    char line[256];
    unsigned long long number = 0;
    bool found = false;
    FILE *f = file_stream(path, "r", NULL);
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, key, strlen(key)) == 0 &&
                sscanf(line + strlen(key), "%llu", &number) == 1;
    if (f)
        fclose(f);
    return found ? number : 0;
}

static uint64_t
number_in(const char *folder, const char *name, const char *key)
{
    char *path = mem_printf("%s/%s", folder, name);
    uint64_t number = number_of(path, key);
    free(path);
    return number;
}

static uint64_t
less(uint64_t from, uint64_t by)
{
    return from > by ? from - by : 0;
}

// The bytes that one group's limits leave; UINT64_MAX: it has no limit, for which version 1 gives a
// huge number. Usage is read only if there is a limit, because the kernel sums it up for each read.
static uint64_t
group_room(const char *folder, const struct version *v)
{
    uint64_t most = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        uint64_t limit = v->limits[i] ? number_in(folder, v->limits[i], "") : 0;
        most = limit ? MIN(most, limit) : most;
    }
    if (most >= UINT64_C(1) << 62)
        return UINT64_MAX;
    uint64_t used = number_in(folder, v->used, "");
    for (int i = 0; i < 2; i++)
        used = less(used, number_in(folder, "memory.stat", v->files[i]));
    return less(most, used);
}

// The least room of a group and of all above it. A container sees its own group as the root,
// whatever its path.
static uint64_t
groups_room(const char *root, const struct version *v, const char *path)
{
    uint64_t room = UINT64_MAX;
    char *folder = mem_printf("%s%s%s", root, v->mount, path);
    size_t mount = strlen(root) + strlen(v->mount);
    for (;;) {
        room = MIN(room, group_room(folder, v));
        char *end = strrchr(folder + mount, '/');
        if (!end)
            break;
        *end = '\0';
    }
    free(folder);
    return room;
}

// Lines of /proc/self/cgroup: "0::/a/b" of version 2, "4:memory:/a/b" of version 1.
static uint64_t
control_room(const char *root)
{
    char line[4096], *path = mem_printf("%s/proc/self/cgroup", root);
    uint64_t room = UINT64_MAX;
    FILE *f = file_stream(path, "r", NULL);
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        const char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        if (strncmp(line, "0:", 2) == 0)
            room = MIN(room, groups_room(root, &second, group));
        else if (strstr(controllers, "memory"))
            room = MIN(room, groups_room(root, &first, group));
    }
    if (f)
        fclose(f);
    free(path);
    return room;
}

static uint64_t
address_room(const char *root)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    char *path = mem_printf("%s/proc/self/statm", root);
    uint64_t pages = number_of(path, "");
    free(path);
    return less(limit.rlim_cur, pages * (uint64_t)sysconf(_SC_PAGESIZE));
}

size_t
cpu_room_of(const char *root)
{
    char *path = mem_printf("%s/proc/meminfo", root);
    uint64_t kib = number_of(path, "MemAvailable:");
    free(path);
    uint64_t room = kib ? kib << 10 : UINT64_MAX;
    room = MIN(room, MIN(control_room(root), address_room(root)));
    return room < SIZE_MAX ? (size_t)room : SIZE_MAX;
}

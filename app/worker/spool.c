// SPDX-License-Identifier: MIT
#include "app/worker/spool.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

static char *
spool_folder(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state)
        return mem_printf("%s/limn/spool", state);
    return mem_printf("%s/.local/state/limn/spool", home && *home ? home : "/tmp");
}

static char *
file_of(const char *job, int index)
{
    char *folder = spool_folder(), *path = mem_printf("%s/%s-%d.png", folder, job, index);
    free(folder);
    return path;
}

bool
spool_put(const char *job, int index, const void *png, size_t size, struct err *err)
{
    char *folder = spool_folder(), *path = file_of(job, index);
    bool ok = file_make_folders(folder, err) && file_write(path, png, size, err);
    free(path);
    free(folder);
    return ok;
}

void *
spool_get(const char *job, int index, size_t *size, struct err *err)
{
    char *path = file_of(job, index);
    void *png = file_read(path, LIMIT_PICTURE_BYTES, size, err);
    free(path);
    return png;
}

void
spool_drop(const char *job, int index)
{
    char *path = file_of(job, index);
    unlink(path);
    free(path);
}

void
spool_each(void (*each)(const char *job, int index, void *ctx), void *ctx)
{
    char *folder = spool_folder();
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char *dash = strrchr(e->d_name, '-'), *end;
        if (e->d_name[0] == '.' || !dash || dash == e->d_name)
            continue;
        long index = strtol(dash + 1, &end, 10);
        if (end == dash + 1 || strcmp(end, ".png") != 0 || index < 0 || index > 9999)
            continue;
        *dash = 0;
        each(e->d_name, (int)index, ctx);
    }
    if (d)
        closedir(d);
    free(folder);
}

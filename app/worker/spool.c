// SPDX-License-Identifier: MIT
#include "app/worker/spool.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

char *
spool_file(const char *job, int index)
{
    char *folder = xdg_path(XDG_STATE, "spool"),
         *path = mem_printf("%s/%s-%d.png", folder, job, index);
    free(folder);
    return path;
}

bool
spool_put(const char *job, int index, const void *png, size_t size, struct err *err)
{
    char *folder = xdg_make(XDG_STATE, "spool", err), *path = spool_file(job, index);
    bool ok = folder && file_write_private(path, png, size, err);
    free(path);
    free(folder);
    return ok;
}

void *
spool_get(const char *job, int index, size_t *size, struct err *err)
{
    char *path = spool_file(job, index);
    void *png = file_read(path, LIMIT_PICTURE_BYTES, size, err);
    free(path);
    return png;
}

void
spool_drop(const char *job, int index)
{
    char *path = spool_file(job, index);
    unlink(path);
    free(path);
}

void
spool_sweep(void)
{
    char *folder = xdg_path(XDG_STATE, "spool");
    file_sweep(folder);
    free(folder);
}

void
spool_each(void (*each)(const char *job, int index, void *ctx), void *ctx)
{
    char *folder = xdg_path(XDG_STATE, "spool");
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

// --- latents

enum { LATENTS_SECONDS = 7 * 24 * 3600 };

static void
sweep_latents(void)
{
    char *folder = xdg_path(XDG_STATE, "latents");
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, NULL);
    for (int i = 0; i < n; i++) {
        struct stat st;
        char *path = file_join(folder, entries[i]->d_name);
        bool old = stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
                   time(NULL) - st.st_mtime > LATENTS_SECONDS;
        if (old)
            unlink(path);
        free(path);
        free(entries[i]);
    }
    free(entries);
    free(folder);
}

char *
spool_latents(const struct job *j, const char *model_hash, const char *device)
{
    char hash[JOB_HASH_TEXT], *folder = xdg_make(XDG_STATE, "latents", NULL);
    struct jv *same = job_json(j, false);
    jv_set(same, "id", jv_from_string(""));
    jv_set(same, "model", jv_from_string(model_hash));
    jv_set(same, "device", jv_from_string(device));
    char *text = jv_text(same, 0);
    job_hash(text, strlen(text), hash);
    char *path = folder ? mem_printf("%s/%s.safetensors", folder, hash) : NULL;
    sweep_latents();
    free(text);
    jv_free(same);
    free(folder);
    return path;
}

void
spool_finish_latents(char *path, bool drawn, int64_t seed, struct err *err)
{
    if (path && drawn)
        unlink(path);
    else if (path && file_exists(path) && err->code != ERR_CANCELLED)
        err_prefix(err, "the steps are kept, and seed %" PRId64 " continues from them", seed);
    free(path);
}

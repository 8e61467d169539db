// SPDX-License-Identifier: MIT
#include "app/ui/browser.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

// What libvips reads, by the usual names. Content decides later; names keep the list short.
static const char *const suffixes[] = {"png", "jpg",  "jpeg", "webp", "gif", "tif", "tiff", "bmp",
                                       "svg", "avif", "heic", "ppm",  "pgm", "jxl", "ico"};

static bool
is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT_OF(suffixes); i++)
        if (strcasecmp(dot + 1, suffixes[i]) == 0)
            return true;
    return false;
}

static int
compare(const void *a, const void *b)
{
    const struct browser_entry *x = a, *y = b;
    return x->folder != y->folder ? y->folder - x->folder : strverscmp(x->name, y->name);
}

static void
free_entries(struct browser *b)
{
    for (int i = 0; i < b->all_count; i++)
        free(b->all[i].name);
    free(b->all);
    free(b->seen);
    b->all = NULL;
    b->seen = NULL;
    b->all_count = b->count = 0;
}

void
browser_finish(struct browser *b)
{
    free_entries(b);
    free(b->folder);
    *b = (struct browser){0};
}

bool
browser_open(struct browser *b, const char *folder, struct err *err)
{
    char *whole = realpath(folder, NULL);
    DIR *d = whole ? opendir(whole) : NULL;
    if (!d) {
        err_errno(err, ERR_INPUT, "%s", folder);
        free(whole);
        return false;
    }
    struct browser_entry *all = NULL;
    int count = 0, capacity = 0;
    for (struct dirent *e = readdir(d); e && count < LIMIT_BROWSER_ENTRIES; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (e->d_name[0] == '.' && !b->hidden))
            continue;
        bool is_folder = e->d_type == DT_DIR;
        if (e->d_type == DT_UNKNOWN || e->d_type == DT_LNK) {
            char *path = file_join(whole, e->d_name);
            struct stat s;
            is_folder = stat(path, &s) == 0 && S_ISDIR(s.st_mode);
            free(path);
        }
        if (is_folder || is_picture(e->d_name))
            ARRAY_PUSH(all, count, capacity,
                       ((struct browser_entry){mem_strdup(e->d_name), is_folder}));
    }
    closedir(d);
    if (count)
        qsort(all, (size_t)count, sizeof *all, compare);
    free_entries(b);
    free(b->folder);
    b->folder = whole;
    b->all = all;
    b->all_count = count;
    browser_filter(b, "");
    return true;
}

void
browser_filter(struct browser *b, const char *filter)
{
    char copy[sizeof b->filter];
    snprintf(copy, sizeof copy, "%s", filter); // may be b->filter itself
    memcpy(b->filter, copy, sizeof copy);
    free(b->seen);
    b->seen = mem_alloc(sizeof *b->seen * (size_t)MAX(b->all_count, 1));
    b->count = b->selected = b->top = 0;
    for (int i = 0; i < b->all_count; i++)
        if (!*copy || strcasestr(b->all[i].name, copy))
            b->seen[b->count++] = i;
}

const struct browser_entry *
browser_chosen(const struct browser *b)
{
    return b->selected < b->count ? &b->all[b->seen[b->selected]] : NULL;
}

char *
browser_path(const struct browser *b)
{
    const struct browser_entry *e = browser_chosen(b);
    return e ? file_join(b->folder, e->name) : NULL;
}

bool
browser_enter(struct browser *b, struct err *err)
{
    const struct browser_entry *e = browser_chosen(b);
    if (!e || !e->folder)
        return false;
    char *path = browser_path(b);
    bool ok = browser_open(b, path, err);
    free(path);
    return ok;
}

bool
browser_up(struct browser *b, struct err *err)
{
    char *path = mem_strdup(b->folder), *slash = strrchr(path, '/');
    char *name = mem_strdup(slash ? slash + 1 : "");
    if (slash)
        slash[slash == path] = 0;
    bool ok = browser_open(b, path, err);
    for (int i = 0; ok && i < b->count; i++)
        if (strcmp(b->all[b->seen[i]].name, name) == 0)
            b->selected = i;
    free(name);
    free(path);
    return ok;
}

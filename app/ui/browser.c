// SPDX-License-Identifier: MIT
#include "app/ui/browser.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

const char *const browser_pictures[] = {"png", "jpg", "jpeg", "webp", "gif", "tif", "tiff", "bmp",
                                        "svg", "avif", "heic", "ppm", "pgm", "jxl", "ico", NULL};

static bool
is_wanted(const struct browser *b, const char *name)
{
    const char *const *suffix = b->suffixes ? b->suffixes : browser_pictures;
    const char *dot = strrchr(name, '.');
    for (; dot && *suffix; suffix++)
        if (strcasecmp(dot + 1, *suffix) == 0)
            return true;
    return false;
}

static int
by_name(const void *a, const void *b)
{
    const struct browser_entry *x = a, *y = b;
    return x->folder != y->folder ? y->folder - x->folder : strverscmp(x->name, y->name);
}

static int
by_time(const void *a, const void *b)
{
    const struct browser_entry *x = a, *y = b;
    if (x->folder != y->folder || x->changed == y->changed)
        return by_name(a, b);
    return x->changed < y->changed ? 1 : -1;
}

static int
by_size(const void *a, const void *b)
{
    const struct browser_entry *x = a, *y = b;
    if (x->folder != y->folder || x->size == y->size)
        return by_name(a, b);
    return x->size < y->size ? 1 : -1;
}

// Kind, size and time of an entry; links are followed.
static struct browser_entry
stat_entry(const char *folder, const char *name)
{
    struct browser_entry e = {.name = mem_strdup(name)};
    struct stat s;
    char *path = file_join(folder, name);
    if (stat(path, &s) == 0) {
        e.folder = S_ISDIR(s.st_mode);
        e.size = s.st_size;
        e.changed = s.st_mtime;
    }
    free(path);
    return e;
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
    char *real = realpath(folder, NULL);
    DIR *d = real ? opendir(real) : NULL;
    if (!d) {
        err_errno(err, ERR_INPUT, "%s", folder);
        free(real);
        return false;
    }
    struct browser_entry *all = NULL;
    int count = 0, capacity = 0;
    bool cut = false;
    for (struct dirent *e = readdir(d); e && !cut; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (e->d_name[0] == '.' && !b->hidden))
            continue;
        if (e->d_type == DT_REG && !is_wanted(b, e->d_name))
            continue;
        struct browser_entry entry = stat_entry(real, e->d_name);
        bool shown = entry.folder || is_wanted(b, e->d_name);
        cut = shown && count == LIMIT_BROWSER_ENTRIES;
        if (shown && !cut)
            ARRAY_PUSH(all, count, capacity, entry);
        else
            free(entry.name);
    }
    closedir(d);
    int (*const orders[])(const void *, const void *) = {by_name, by_time, by_size};
    if (count)
        qsort(all, (size_t)count, sizeof *all, orders[b->sort]);
    free_entries(b);
    b->mark_count = 0;
    free(b->folder);
    b->folder = real;
    b->all = all;
    b->all_count = count;
    b->cut = cut;
    browser_filter(b, "");
    return true;
}

void
browser_filter(struct browser *b, const char *filter)
{
    char copy[sizeof b->filter];
    snprintf(copy, sizeof copy, "%s", filter); // `filter` may be b->filter itself
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

void
browser_clamp(struct browser *b)
{
    b->selected = MAX(0, MIN(b->selected, b->count - 1));
}

void
browser_select(struct browser *b, const char *name)
{
    for (int i = 0; i < b->count; i++)
        if (strcmp(b->all[b->seen[i]].name, name) == 0)
            b->selected = i;
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
    if (ok)
        browser_select(b, name);
    free(name);
    free(path);
    return ok;
}

bool
browser_reload(struct browser *b, struct err *err)
{
    const struct browser_entry *e = browser_chosen(b);
    char *name = mem_strdup(e ? e->name : ""), *filter = mem_strdup(b->filter);
    char *folder = mem_strdup(b->folder ? b->folder : "/");
    bool ok = browser_open(b, folder, err);
    browser_filter(b, filter);
    browser_select(b, name);
    free(folder);
    free(filter);
    free(name);
    return ok;
}

void
browser_mark(struct browser *b)
{
    struct browser_entry *e = b->selected < b->count ? &b->all[b->seen[b->selected]] : NULL;
    if (!e || e->folder)
        return;
    e->marked = !e->marked;
    b->mark_count += e->marked ? 1 : -1;
}

char *
browser_next_marked(struct browser *b)
{
    for (int i = 0; i < b->all_count; i++)
        if (b->all[i].marked) {
            b->all[i].marked = false;
            b->mark_count--;
            return file_join(b->folder, b->all[i].name);
        }
    return NULL;
}

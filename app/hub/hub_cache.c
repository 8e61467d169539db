// SPDX-License-Identifier: MIT
// The cache of the hub's own programs: models--ORG--NAME/snapshots/COMMIT/… of links into blobs/,
// and refs/main, which holds the newest commit as of the last query.
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/hub/hub.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

static char *
variable(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? mem_strdup(v) : NULL;
}

// As elsewhere relative values are ignored: nothing is taken from the current folder.
static char *
folder_variable(const char *name)
{
    char *v = variable(name);
    if (!v || v[0] == '/')
        return v;
    free(v);
    return NULL;
}

// $HF_HOME, $XDG_CACHE_HOME/huggingface, ~/.cache/huggingface.
static char *
hub_home(void)
{
    char *home = folder_variable("HF_HOME");
    char *cache = home ? NULL : folder_variable("XDG_CACHE_HOME");
    if (!home && !cache) {
        char *user = xdg_home();
        cache = file_join(user, ".cache");
        free(user);
    }
    if (!home)
        home = file_join(cache, "huggingface");
    free(cache);
    return home;
}

static char *
cache_folder(void)
{
    char *folder = folder_variable("HF_HUB_CACHE");
    if (!folder)
        folder = folder_variable("HUGGINGFACE_HUB_CACHE");
    if (folder)
        return folder;
    char *home = hub_home();
    folder = file_join(home, "hub");
    free(home);
    return folder;
}

static char *
first_line(const char *path)
{
    enum { LINE_MAX = 4096 };
    char *text = file_exists(path) ? file_read(path, LINE_MAX, NULL, NULL) : NULL;
    if (text)
        text[strcspn(text, " \t\r\n")] = 0;
    if (text && *text)
        return text;
    free(text);
    return NULL;
}

char *
hub_token(void)
{
    char *token = variable("HF_TOKEN"), *path = token ? NULL : folder_variable("HF_TOKEN_PATH");
    if (token)
        return token;
    if (!path) {
        char *home = hub_home();
        path = file_join(home, "token");
        free(home);
    }
    token = first_line(path);
    free(path);
    return token;
}

static char *
snapshot(const char *folder, const char *commit)
{
    char *path = mem_printf("%s/snapshots/%s", folder, commit);
    char *index = file_join(path, "model_index.json");
    bool there = !strchr(commit, '/') && commit[0] != '.' && file_exists(index);
    free(index);
    if (there)
        return path;
    free(path);
    return NULL;
}

// That of refs/main, else one that is whole enough.
static char *
newest_snapshot(const char *folder)
{
    char *ref = file_join(folder, "refs/main"), *commit = first_line(ref);
    char *found = commit ? snapshot(folder, commit) : NULL, *all = file_join(folder, "snapshots");
    struct dirent **entries = NULL;
    int n = found ? 0 : scandir(all, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (!found)
            found = snapshot(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    free(all);
    free(commit);
    free(ref);
    return found;
}

char *
hub_cached(const char *name)
{
    const char *slash = strchr(name, '/');
    if (!slash || slash == name || !slash[1] || strchr(slash + 1, '/') || strstr(name, ".."))
        return NULL;
    char *cache = cache_folder();
    char *folder = mem_printf("%s/models--%.*s--%s", cache, (int)(slash - name), name, slash + 1);
    char *found = newest_snapshot(folder);
    free(folder);
    free(cache);
    return found;
}

void
hub_cache_each(void (*see)(void *ctx, const char *name, const char *folder), void *ctx)
{
    static const char prefix[] = "models--";
    char *cache = cache_folder();
    struct dirent **entries = NULL;
    int n = scandir(cache, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *name = entries[i]->d_name, *dashes;
        if (strncmp(name, prefix, sizeof prefix - 1) == 0 &&
            (dashes = strstr(name + sizeof prefix - 1, "--"))) {
            char *full = mem_printf("%.*s/%s", (int)(dashes - name) - (int)(sizeof prefix - 1),
                                    name + sizeof prefix - 1, dashes + 2);
            char *folder = hub_cached(full);
            if (folder)
                see(ctx, full, folder);
            free(folder);
            free(full);
        }
        free(entries[i]);
    }
    free(entries);
    free(cache);
}

struct search {
    const char *name;
    char *found;
};

static void
match_name(void *ctx, const char *name, const char *folder)
{
    struct search *s = ctx;
    if (!s->found && strcasecmp(file_basename(name), s->name) == 0)
        s->found = mem_strdup(folder);
}

char *
hub_cached_as(const char *name)
{
    struct search s = {name, NULL};
    hub_cache_each(match_name, &s);
    return s.found;
}

// SPDX-License-Identifier: MIT
#include "app/base/places.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/hub/hub.h"
#include "engine/base/file.h"
#include "engine/base/install.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

// SOURCE/app/KIND, or SOURCE/KIND, when the program runs from the build folder that was configured
// from SOURCE.
static char *
source_place(const char *kind)
{
    if (!install_build_folder())
        return NULL;
    char *place = mem_printf("%s/app/%s", LIMN_SOURCE, kind);
    if (access(place, F_OK) != 0) {
        free(place);
        place = mem_printf("%s/%s", LIMN_SOURCE, kind);
    }
    return place;
}

char **
places_of(const char *kind)
{
    char **out = mem_zalloc(4 * sizeof *out);
    int count = 0;
    out[count++] = xdg_path(XDG_DATA, kind);
    char *source = source_place(kind);
    if (source)
        out[count++] = source;
    out[count++] = mem_printf("%s/%s", LIMN_DATA, kind);
    return out;
}

void
places_free(char **places)
{
    for (int i = 0; places && places[i]; i++)
        free(places[i]);
    free(places);
}

static bool
is_model(const char *folder)
{
    char *index = file_join(folder, "model_index.json");
    bool yes = file_exists(index);
    free(index);
    return yes;
}

char *(*places_assembled)(const char *yaml, struct err *err);

static char *
find_assembled(const char *folder, const char *name, struct err *err)
{
    char *yaml = mem_printf("%s/%s.yaml", folder, name);
    char *found = places_assembled && file_exists(yaml) ? places_assembled(yaml, err) : NULL;
    free(yaml);
    return found;
}

// Of one entry of a folder of models.
struct visitor {
    void (*visit)(void *ctx, const char *name, const char *folder, const struct err *why);
    void *ctx;
};

static void
visit_entry(const struct visitor *v, const char *folder, const char *entry)
{
    static const char ending[] = ".yaml";
    size_t n = strlen(entry), k = sizeof ending - 1;
    char *path = file_join(folder, entry);
    struct err why = {0};
    if (entry[0] == '.') {
        // hidden
    } else if (is_model(path)) {
        v->visit(v->ctx, entry, path, NULL);
    } else if (places_assembled && n > k && strcmp(entry + n - k, ending) == 0) {
        char *name = mem_strndup(entry, n - k), *made = find_assembled(folder, name, &why);
        v->visit(v->ctx, name, made, made ? NULL : &why);
        free(made);
        free(name);
    }
    free(path);
}

static void
visit_cached(void *ctx, const char *name, const char *folder)
{
    const struct visitor *v = ctx;
    v->visit(v->ctx, name, folder, NULL);
}

void
places_each_model(void (*visit)(void *ctx, const char *name, const char *folder,
                                const struct err *why), void *ctx)
{
    struct visitor v = {visit, ctx};
    char **places = places_of("models");
    for (int i = 0; places[i]; i++) {
        struct dirent **entries = NULL;
        int n = scandir(places[i], &entries, NULL, alphasort);
        for (int k = 0; k < n; k++) {
            visit_entry(&v, places[i], entries[k]->d_name);
            free(entries[k]);
        }
        free(entries);
    }
    places_free(places);
    hub_cache_each(visit_cached, &v);
}

// By its name in one of limn's own folders.
static char *
find_placed(const char *name, struct err *err)
{
    char **places = places_of("models"), *found = NULL;
    for (int i = 0; places[i] && !found; i++) {
        found = file_join(places[i], name);
        if (!is_model(found)) {
            free(found);
            found = find_assembled(places[i], name, err);
        }
    }
    places_free(places);
    return found;
}

// By the name that limn, the hub, or the hub without its ORG/ has for it. Of what is written as
// ORG/NAME, which may have been meant as a path, no other NAME is taken.
static char *
find_cached(const char *name, struct err *err)
{
    char *full = hub_name(name), *found = NULL;
    if (full && !strchr(name, '/'))
        found = find_placed(file_basename(full), err);
    if (!found)
        found = full ? hub_cached(full) : hub_cached_as(name);
    free(full);
    return found;
}

// NULL: nobody named one.
static const char *
named_model(const char *given)
{
    const char *environment = getenv("LIMN_MODEL");
    return given ? given : environment && *environment ? environment : NULL;
}

const char *
places_model_name(const char *given)
{
    const char *named = named_model(given);
    return named ? named : PLACES_OWN_MODEL;
}

char *
places_model(const char *given, struct err *err)
{
    const char *named = named_model(given), *name = places_model_name(given);
    struct err own = {0};
    if (named && is_model(name)) // never a folder that nobody named
        return mem_strdup(name);
    char *found = strchr(name, '/') ? NULL : find_placed(name, &own);
    if (!found && own.code == ERR_NONE)
        found = find_cached(name, &own);
    if (!found && own.code != ERR_NONE)
        err_set(err, own.code, "%s", own.text);
    else if (!found)
        err_set(err, ERR_INPUT, "there is no model '%s': give a folder with --model or "
                "$LIMN_MODEL, or download one (limn models get)",
                name);
    return found;
}

char *
places_expand(const char *path)
{
    if (path[0] != '~' || (path[1] && path[1] != '/'))
        return mem_strdup(path);
    char *home = xdg_home(), *out = mem_printf("%s%s", home, path + 1);
    free(home);
    return out;
}

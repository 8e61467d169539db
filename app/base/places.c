// SPDX-License-Identifier: MIT
#include "app/base/places.h"

#include <stdio.h>
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

char *
places_model(const char *given, struct err *err)
{
    const char *environment = getenv("LIMN_MODEL");
    const char *name = given ? given : environment && *environment ? environment : "limn-icons";
    if ((given || environment) && is_model(name))
        return mem_strdup(name);
    char **places = places_of("models"), *found = NULL;
    for (int i = 0; places[i] && !found && !strchr(name, '/'); i++) {
        found = file_join(places[i], name);
        if (!is_model(found)) {
            free(found);
            found = NULL;
        }
    }
    places_free(places);
    if (!found)
        found = hub_cached(name);
    if (!found)
        err_set(err, ERR_INPUT, "there is no model '%s': give a folder with --model or "
                "$LIMN_MODEL, or fetch one (limn models get)",
                name);
    return found;
}

char *
places_typed(const char *path)
{
    if (path[0] != '~' || (path[1] && path[1] != '/'))
        return mem_strdup(path);
    char *home = xdg_home(), *out = mem_printf("%s%s", home, path + 1);
    free(home);
    return out;
}

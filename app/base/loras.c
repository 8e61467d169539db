// SPDX-License-Identifier: MIT
#include "app/base/loras.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

// The path of a file, or of a name in limn's own folder, NULL: that has none. A name may come out
// of a picture: it means nothing in the folder that limn happens to be in. Freed with free().
static char *
locate(const char *name, struct err *err)
{
    static const char *const endings[] = {"", ".safetensors"};
    if (strchr(name, '/'))
        return mem_strdup(name);
    char *folder = xdg_path(XDG_DATA, "loras"), *found = NULL;
    for (int i = 0; i < 2 && !found; i++) {
        char *path = mem_printf("%s/%s%s", folder, name, endings[i]);
        if (file_exists(path))
            found = path;
        else
            free(path);
    }
    if (!found)
        err_set(err, ERR_INPUT, "%.100s: there is no such LoRA in %s; for a file in the "
                "current folder, give ./%.100s", name, folder, name);
    free(folder);
    return found;
}

// Cuts a weight behind the last colon off; what is no number belongs to the name.
static double
split_weight(char *text)
{
    char *colon = strrchr(text, ':'), *end = NULL;
    double weight = colon ? strtod(colon + 1, &end) : 1;
    bool valid = colon && colon[1] && !*end &&
                 strspn(colon + 1, "+-.0123456789eE") == strlen(colon + 1);
    if (valid)
        *colon = 0;
    return valid ? weight : 1;
}

bool
loras_find(struct loras *l, const char *text, struct err *err)
{
    enum { WEIGHT_MAX = 100 };
    char *copy = mem_strdup(text ? text : ""), *left = NULL;
    bool ok = true;
    for (char *one = strtok_r(copy, ",", &left); ok && one; one = strtok_r(NULL, ",", &left)) {
        double weight = split_weight(one);
        char *path = NULL;
        if (l->count == LIMIT_LORAS)
            ok = err_set(err, ERR_INPUT, "more than %d LoRAs", LIMIT_LORAS);
        else if (!*one || !(weight >= -WEIGHT_MAX && weight <= WEIGHT_MAX))
            ok = err_set(err, ERR_INPUT, "a LoRA is FILE or FILE:WEIGHT with a weight of -%d to "
                                         "%d, not '%.100s'", WEIGHT_MAX, WEIGHT_MAX, text);
        else if ((ok = (path = locate(one, err)) != NULL))
            l->files[l->count++] = (struct lora_file){path, weight};
    }
    free(copy);
    return ok;
}

void
loras_finish(struct loras *l)
{
    for (int i = 0; i < l->count; i++)
        free((char *)(uintptr_t)l->files[i].path);
    l->count = 0;
}

char *
loras_names(const char *text)
{
    char *out = text ? mem_zalloc(strlen(text) + 1) : NULL, *to = out;
    for (const char *p = text; p && *p; p++) {
        const char *folder = p + strcspn(p, ",/");
        if (*folder == '/') {
            p = folder; // a folder's name, which is left out
            continue;
        }
        size_t n = strcspn(p, ",") + 1;
        n = MIN(n, strlen(p));
        memcpy(to, p, n);
        to += n;
        p += n - 1;
    }
    return out;
}

// SPDX-License-Identifier: MIT
#include "app/base/loras.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

// The path of a name; freed with free().
static char *
locate(const char *name)
{
    static const char *const endings[] = {"", ".safetensors"};
    for (int i = 0; i < 2 && !strchr(name, '/'); i++) {
        char *folder = xdg_path(XDG_DATA, "loras");
        char *path = mem_printf("%s/%s%s", folder, name, endings[i]);
        free(folder);
        if (file_exists(path))
            return path;
        free(path);
    }
    return mem_strdup(name);
}

// Cuts a weight behind the last colon off; what is no number belongs to the name.
static double
cut_weight(char *text)
{
    char *colon = strrchr(text, ':'), *end = NULL;
    double weight = colon ? strtod(colon + 1, &end) : 1;
    bool is = colon && colon[1] && !*end &&
              strspn(colon + 1, "+-.0123456789eE") == strlen(colon + 1);
    if (is)
        *colon = 0;
    return is ? weight : 1;
}

bool
loras_find(struct loras *l, const char *text, struct err *err)
{
    enum { MOST = 100 };
    char *copy = mem_strdup(text ? text : ""), *left = NULL;
    bool ok = true;
    for (char *one = strtok_r(copy, ",", &left); ok && one; one = strtok_r(NULL, ",", &left)) {
        double weight = cut_weight(one);
        if (l->count == LIMIT_LORAS)
            ok = err_set(err, ERR_INPUT, "more than %d LoRAs", LIMIT_LORAS);
        else if (!*one || !(weight >= -MOST && weight <= MOST))
            ok = err_set(err, ERR_INPUT, "a LoRA is FILE or FILE:WEIGHT with a weight of -%d to "
                                         "%d, not '%.100s'", MOST, MOST, text);
        else
            l->files[l->count++] = (struct lora_file){locate(one), weight};
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

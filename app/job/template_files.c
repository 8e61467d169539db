// SPDX-License-Identifier: MIT
// The user's own template files: created, copied, renamed, removed and restored.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/places.h"
#include "app/job/template.h"
#include "app/job/template_parts.h"
#include "engine/base/beneath.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static const char begun[] =
    "# A template. docs/template.md describes every key.\n"
    "summary: what it draws\n"
    "instruction: \"Draw {{subject}} in {{style}} style.\"\n"
    "variables:\n"
    "  subject:\n"
    "    default: red fox\n"
    "    help: what to draw\n"
    "  style:\n"
    "    default: noto\n"
    "    choices: [noto, blob, twemoji]\n";

// The folder of the user's own templates; freed with free().
static char *
own_folder(void)
{
    char **places = places_of("templates");
    char *folder = mem_strdup(places[0]);
    places_free(places);
    return folder;
}

bool
template_is_own(const char *path)
{
    char *folder = own_folder();
    size_t n = strlen(folder);
    bool own = strncmp(path, folder, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
    free(folder);
    return own;
}

// The path of a new template of the user's own. NULL: an error.
static char *
free_path(const char *name, struct err *err)
{
    char *folder = own_folder(), *path = NULL;
    if (template_name_check(name, err) && file_make_folders(folder, err)) {
        path = mem_printf("%s/%s.yaml", folder, name);
        if (file_exists(path)) {
            err_set(err, ERR_INPUT, "there is a template %s already", name);
            free(path);
            path = NULL;
        }
    }
    free(folder);
    return path;
}

char *
template_begin(const char *name, struct err *err)
{
    char *path = free_path(name, err);
    if (path && file_write(path, begun, sizeof begun - 1, err))
        return path;
    free(path);
    return NULL;
}

// Copies a picture or list that the template names to the same place below the other folder. A name
// that leads out of the template's folder is skipped, or an error if it does so through a link: in
// the copy it would lie inside.
static bool
copy_file(const char *from, const char *to, const char *name, struct err *err)
{
    if (!name || !*name || *name == '/' || strstr(name, "{{") || strstr(name, ".."))
        return true;
    char *source = file_join(from, name), *target = file_join(to, name);
    char *folder = file_folder(target), *data = NULL;
    size_t size = 0;
    bool ok = true;
    if (file_exists(source) && !file_exists(target)) {
        data = beneath_read(from, name, LIMIT_PICTURE_BYTES, &size, err);
        ok = data && file_make_folders(folder, err) && file_write(target, data, size, err);
    }
    free(data);
    free(folder);
    free(source);
    free(target);
    return ok;
}

static bool
copy_files(const struct template *t, const char *to, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < t->reference_count; i++)
        ok = copy_file(t->folder, to, t->references[i].image, err);
    for (int i = 0; ok && i < t->variable_count; i++)
        if (t->variables[i].type == VARIABLE_IMAGE)
            ok = copy_file(t->folder, to, t->variables[i].value, err);
    for (int i = 0; ok && i < t->sweep_count; i++)
        for (int k = 0; ok && k < t->sweeps[i].count; k++)
            if (t->sweeps[i].values[k][0] == '@')
                ok = copy_file(t->folder, to, t->sweeps[i].values[k] + 1, err);
    return ok;
}

char *
template_duplicate(const char *path, const char *name, struct err *err)
{
    struct template t = {0};
    char *to = free_path(name, err), *folder = own_folder(), *text = NULL;
    size_t size = 0;
    bool ok = to && template_read(&t, path, err) && copy_files(&t, folder, err) &&
              (text = file_read(path, LIMIT_YAML_BYTES, &size, err)) &&
              file_write(to, text, size, err);
    if (ok && !template_reads_back(to, err)) {
        unlink(to);
        ok = false;
    }
    template_finish(&t);
    free(text);
    free(folder);
    if (!ok) {
        free(to);
        to = NULL;
    }
    return to;
}

static bool
is_own(const char *path, struct err *err)
{
    return template_is_own(path) ||
           err_set(err, ERR_INPUT, "%s comes with limn: make a copy of it first", path);
}

char *
template_rename(const char *path, const char *name, struct err *err)
{
    char *to = is_own(path, err) ? free_path(name, err) : NULL;
    if (to && rename(path, to) != 0) {
        err_errno(err, ERR_IO, "%s", path);
        free(to);
        to = NULL;
    }
    return to;
}

bool
template_remove(const char *path, struct err *err)
{
    if (!is_own(path, err))
        return false;
    char *trash = mem_printf("%s~", path);
    bool ok = rename(path, trash) == 0 || err_errno(err, ERR_IO, "%s", path);
    free(trash);
    return ok;
}

bool
template_restore(const char *path, struct err *err)
{
    char *trash = mem_printf("%s~", path);
    bool ok = !file_exists(path) || err_set(err, ERR_INPUT, "there is another %s now", path);
    ok = ok && (rename(trash, path) == 0 || err_errno(err, ERR_IO, "%s", trash));
    free(trash);
    return ok;
}

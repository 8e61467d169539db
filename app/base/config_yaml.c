// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "app/base/config.h"
#include "app/base/yaml_tree.h"
#include "engine/base/beneath.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static struct jv *
to_jv(struct yaml *tree)
{
    struct jv *v = tree ? yaml_tree_to_jv(tree) : NULL;
    yaml_tree_free(tree);
    return v;
}

struct jv *
config_read(const char *path, struct err *err)
{
    return to_jv(yaml_tree_read(path, err));
}

struct jv *
config_value(const char *text, const char *name, struct err *err)
{
    return to_jv(yaml_tree_parse(text, strlen(text), name, err));
}

char *
config_path(const char *file, const char *key, const char *name, struct err *err)
{
    char *folder = file_folder(file);
    struct err fault = {0};
    char *path = beneath_path(folder, name, &fault);
    if (!path) {
        struct yaml *tree = yaml_tree_read(file, err);
        err_clear(err);
        yaml_tree_error(yaml_tree_get(tree, key), file, err,
                        "%s: %.500s; to use it anyway: --set %s=%.300s", key, fault.text, key,
                        name);
        yaml_tree_free(tree);
    }
    free(folder);
    return path;
}

// SPDX-License-Identifier: MIT
#include <string.h>

#include "app/base/config.h"
#include "app/base/yaml_tree.h"

static struct jv *
taken(struct yaml *tree)
{
    struct jv *v = tree ? yaml_tree_to_jv(tree) : NULL;
    yaml_tree_free(tree);
    return v;
}

struct jv *
config_read(const char *path, struct err *err)
{
    return taken(yaml_tree_read(path, err));
}

struct jv *
config_value(const char *text, const char *name, struct err *err)
{
    return taken(yaml_tree_parse(text, strlen(text), name, err));
}

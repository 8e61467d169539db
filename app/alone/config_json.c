// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "app/base/config.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

struct jv *
config_read(const char *path, struct err *err)
{
    return jv_read(path, err);
}

// A text that is no JSON is itself: pack=icons.pack.
struct jv *
config_value(const char *text, const char *name, struct err *err)
{
    (void)name, (void)err;
    struct err ignored = {0};
    struct jv *v = jv_parse(text, strlen(text), "", &ignored);
    return v ? v : jv_from_string(text);
}

char *
config_path(const char *file, const char *key, const char *name, struct err *err)
{
    (void)key, (void)err;
    char *folder = file_folder(file);
    char *path = file_join(folder, name);
    free(folder);
    return path;
}

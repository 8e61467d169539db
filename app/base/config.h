// SPDX-License-Identifier: MIT
// Files of settings (recipes) as a tree: YAML in limn (config_yaml.c), JSON alone in limn-engine
// (alone/config_json.c), which has no libyaml.
#ifndef LIMN_APP_BASE_CONFIG_H
#define LIMN_APP_BASE_CONFIG_H

#include "engine/base/err.h"
#include "engine/base/jv.h"

// NULL and "FILE:…: …" on failure.
struct jv *config_read(const char *path, struct err *err);
// The path that a key of the file names, freed with free(). It must be below the file's own folder,
// because the file may come from anywhere (engine/base/beneath.h); ERR_INPUT says where it points
// and how to allow it. JSON is limn's own (`limn train --print`), and may name any file.
char *config_path(const char *file, const char *key, const char *name, struct err *err);
// One value, as after KEY= on a command line; `name` starts errors.
struct jv *config_value(const char *text, const char *name, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Recipe files as a tree: limn reads YAML (config_yaml.c); limn-engine, which has no libyaml, reads
// only JSON (alone/config_json.c).
#ifndef LIMN_APP_BASE_CONFIG_H
#define LIMN_APP_BASE_CONFIG_H

#include "engine/base/err.h"
#include "engine/base/jv.h"

// NULL and "FILE:…: …" on failure.
struct jv *config_read(const char *path, struct err *err);
// The path `name` given under `key` in `file`, freed with free(). It must be below the file's own
// folder, because the file may come from anywhere (engine/base/beneath.h); ERR_INPUT says where it
// points and how to allow it. JSON recipes are written by limn itself (`limn train --print`) and
// may name any file.
char *config_path(const char *file, const char *key, const char *name, struct err *err);
// One value, as after KEY= on a command line; `name` starts errors.
struct jv *config_value(const char *text, const char *name, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Files from a hub into a folder. What is not whole yet is called NAME.partial, is gone on with the
// next time, and takes its name only when its size and its sum are right; model_index.json, without
// which a folder is no model, comes last.
#ifndef LIMN_APP_HUB_GET_H
#define LIMN_APP_HUB_GET_H

#include "app/hub/hub.h"

struct get {
    const char *folder, *token;
    int patience; // seconds without a byte, and of tries that brought nothing, until it is given up
    const atomic_int *cancel;
    // Of all that is fetched; while it waits to try again `why` says for what, else NULL. May be
    // NULL.
    void (*progress)(void *ctx, int64_t done, int64_t total, const char *why);
    void *ctx;
    int64_t done, total; // private
};

// The bytes of what is not there yet.
int64_t get_missing(const char *folder, const struct hub_model *m);
// Whether so many more fit into a folder, which is made. ERR_IO: how many are missing.
bool get_room(const char *folder, int64_t bytes, int64_t *room, struct err *err);
// All files that are needed. One at a time for a folder: ERR_IO while another does the same.
bool get_model(struct get *g, const struct hub_model *m, struct err *err);
// One file from any address. digest: as in struct hub_file; NULL or "": that of the hub, if it says
// one. *path: where it is; freed with free().
bool get_file(struct get *g, const char *url, const char *digest, char **path, struct err *err);

#endif

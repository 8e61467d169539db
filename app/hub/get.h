// SPDX-License-Identifier: MIT
// Downloads files from a hub into a folder. An incomplete file is called NAME.partial; the next
// call resumes it, and it gets its name only when size and checksum are right. model_index.json,
// without which a folder is not a model, comes last.
#ifndef LIMN_APP_HUB_GET_H
#define LIMN_APP_HUB_GET_H

#include "app/hub/hub.h"

struct get {
    const char *folder, *token;
    int timeout; // seconds without data after which it gives up
    const atomic_int *cancel;
    // Bytes so far and in total; `why`: the reason for a retry while waiting for it, else NULL.
    // The callback may be NULL.
    void (*progress)(void *ctx, int64_t done, int64_t total, const char *why);
    void *ctx;
    int64_t done, total; // private
};

// How many bytes are still missing.
int64_t get_missing(const char *folder, const struct hub_model *m);
// Whether the folder, which is created, has room for so many bytes. ERR_IO says how many it lacks.
bool get_check_space(const char *folder, int64_t bytes, int64_t *available, struct err *err);
// Downloads all needed files. ERR_IO while another process is downloading to the same folder.
bool get_model(struct get *g, const struct hub_model *m, struct err *err);
// Downloads one file from any address. digest: as in struct hub_file; NULL or "": the one that the
// hub gives, if any. *path: the file; freed with free().
bool get_file(struct get *g, const char *url, const char *digest, char **path, struct err *err);

#endif

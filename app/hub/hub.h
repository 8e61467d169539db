// SPDX-License-Identifier: MIT
// A model hub (Hugging Face, or the one at $HF_ENDPOINT with the same API): a model's files, which
// of them limn needs, and which models are in the hub's own cache.
#ifndef LIMN_APP_HUB_HUB_H
#define LIMN_APP_HUB_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct hub_file {
    char *path;      // "vae/config.json": letters, digits and -_., with at most one folder
    int64_t size;    // bytes
    // Hexadecimal: SHA-256 of the bytes, or git's SHA-1 of the blob; "": none.
    char digest[65];
    bool needed;     // limn needs it to draw
};

struct hub_model {
    char *name;     // "ORG/NAME"
    char *commit;   // hash of the head of its main branch
    char *licence;  // from its card, with its link if there is one; NULL: not given
    bool gated;     // the user must have accepted its terms on the hub
    struct hub_file *files;
    int count;
    int64_t bytes;  // of the needed files
};

// The models limn knows by name; a NULL name ends the list.
struct hub_known {
    const char *name;              // "flux2-klein-4b"
    const char *model;             // "black-forest-labs/FLUX.2-klein-4B"
    const char *licence;
    double gigabytes, memory;      // GB to download; GB of GPU memory in bf16
    const char *says;
};
extern const struct hub_known hub_known[];

// "ORG/NAME" for a name in hub_known, for ORG/NAME itself, or for a page of the hub; freed with
// free(). NULL: none of these.
char *hub_name(const char *given);
// Whether n > 0 bytes are letters, digits and -_. and do not begin with a dot.
bool hub_plain(const char *text, size_t n);
char *hub_endpoint(void); // without a trailing /; freed with free()
// $HF_TOKEN, or the token stored by the hub's own program; freed with free(); NULL: none.
char *hub_token(void);
// ENDPOINT/NAME/resolve/COMMIT/PATH, freed with free().
char *hub_url(const struct hub_model *m, const char *path);

// Asks the hub. ERR_IO, ERR_INPUT: no such model, it needs permission, or limn cannot draw with it.
// Call hub_model_finish() in any case.
bool hub_fetch_info(struct hub_model *m, const char *name, const char *token, int timeout,
                    const atomic_int *cancel, struct err *err);
void hub_model_finish(struct hub_model *m); // zeroed is fine

// The newest snapshot of ORG/NAME in the hub's cache ($HF_HUB_CACHE, $HF_HOME/hub,
// ~/.cache/huggingface/hub) that has a model_index.json; freed with free(). NULL: none.
char *hub_cached(const char *name);
// The same for NAME alone, in capitals or not, of the first ORG that has it.
char *hub_cached_as(const char *name);
// Calls `see` with ORG/NAME and the snapshot of each model in the cache.
void hub_cache_each(void (*see)(void *ctx, const char *name, const char *folder), void *ctx);

#endif

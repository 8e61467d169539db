// SPDX-License-Identifier: MIT
// A hub of models (Hugging Face's; $HF_ENDPOINT names another that speaks its language): what a
// model has, which of its files limn draws with, and what of it lies in the hub's own cache.
#ifndef LIMN_APP_HUB_HUB_H
#define LIMN_APP_HUB_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

struct hub_file {
    char *path;      // "vae/config.json": letters, digits and -_. in no folder or one
    int64_t size;    // bytes
    // Hexadecimal: SHA-256 of the bytes, or git's SHA-1 of them as a blob; "": none.
    char digest[65];
    bool needed;     // to draw with it
};

struct hub_model {
    char *name;     // "ORG/NAME"
    char *commit;   // what its main branch is at
    char *licence;  // as its card has it, with a link where there is one; NULL: it says nothing
    bool gated;     // who wants it must have agreed to its terms there
    struct hub_file *files;
    int count;
    int64_t bytes;  // of those that are needed
};

// Those that limn knows by name, for a list; name NULL behind the last.
struct hub_known {
    const char *name;              // "flux2-klein-4b"
    const char *model;             // "black-forest-labs/FLUX.2-klein-4B"
    const char *licence;
    double gigabytes, memory;      // of what is fetched; of a graphics card in bf16
    const char *says;
};
extern const struct hub_known hub_known[];

// "ORG/NAME" of a name of hub_known, of itself, or of a page of the hub; freed with free(). NULL:
// it is none of these.
char *hub_name(const char *given);
char *hub_endpoint(void); // without a / at its end; freed with free()
// $HF_TOKEN, or what the hub's own program keeps in its folder; freed with free(); NULL: none.
char *hub_token(void);
// ENDPOINT/NAME/resolve/COMMIT/PATH, freed with free().
char *hub_url(const struct hub_model *m, const char *path);

// Asks the hub. ERR_IO, ERR_INPUT: it is not there, is not to be had without leave, or cannot be
// drawn with. hub_model_finish() is due in any case.
bool hub_look(struct hub_model *m, const char *name, const char *token, int patience,
              const atomic_int *cancel, struct err *err);
void hub_model_finish(struct hub_model *m); // zeroed is fine

// The newest snapshot of ORG/NAME in the hub's cache ($HF_HUB_CACHE, $HF_HOME/hub,
// ~/.cache/huggingface/hub) that has a model_index.json; freed with free(). NULL: none.
char *hub_cached(const char *name);
// Calls `see` with ORG/NAME and the snapshot of each that is there.
void hub_cache_each(void (*see)(void *ctx, const char *name, const char *folder), void *ctx);

#endif

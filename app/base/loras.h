// SPDX-License-Identifier: MIT
// "FILE[:WEIGHT],FILE[:WEIGHT],…" as a person writes the LoRAs to apply to a model
// (engine/model/lora.h).
#ifndef LIMN_APP_BASE_LORAS_H
#define LIMN_APP_BASE_LORAS_H

#include "engine/base/limits.h"
#include "engine/model/lora.h"

struct loras {
    struct lora_file files[LIMIT_LORAS]; // paths are owned
    int count;
};

// A name without a folder is looked up in $XDG_DATA_HOME/limn/loras, with or without its
// .safetensors; if it is not there, it is a path. text NULL: none. Fails with ERR_INPUT. Call
// loras_finish() in any case.
bool loras_find(struct loras *l, const char *text, struct err *err);
void loras_finish(struct loras *l);
// The same text with the folders removed: this is what a picture stores, and all that a template or
// picture from elsewhere may name. Freed with free(); NULL for NULL.
char *loras_names(const char *text);

#endif

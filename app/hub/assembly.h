// SPDX-License-Identifier: MIT
// The files of an assembled model (app/hub/assembled.h). Files are recognised by their tensors,
// whatever prefix the tensor names have.
#ifndef LIMN_APP_HUB_ASSEMBLY_H
#define LIMN_APP_HUB_ASSEMBLY_H

#include "engine/families/family.h"

struct assembly {
    const struct family *family; // of the files so far; NULL: none yet
    const char *only;            // take only this part from files that hold several; NULL: all
    bool distilled;
    char *files[PARTS_MAX];      // by the family's parts: weights, or the index of shards; owned
    struct jv *configs[PARTS_MAX];
    char *tokenizer;             // a file
};

// Takes a file of weights, a shard or the index of shards, a folder with these, or a tokenizer.
// ERR_INPUT if it is none of these; the error says what it is.
bool assembly_add_path(struct assembly *a, const char *given, struct err *err);
void assembly_finish(struct assembly *a); // zeroed is fine

int assembly_part(const struct family *f, const char *part); // its place in `files`
bool assembly_is_packed(const char *path);                   // a GGUF file
bool assembly_is_index(const char *path);                    // of shards
bool assembly_ends_with(const char *text, const char *ending);
// The absolute path, freed with free(). Links are not resolved: in the hub's cache the links have
// the meaningful names, the files they lead to do not. NULL: it cannot be read.
char *assembly_absolute(const char *path, struct err *err);

#endif

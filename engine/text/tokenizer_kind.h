// SPDX-License-Identifier: MIT
// A kind of tokenizer, as a row: the names of its files, and how they turn text into ids. What all
// kinds do alike (checking the text, reference markers, cutting, padding) is in tokenizer.c.
// Private to engine/text; a new kind is one file and one row of tokenizers.def (docs/families.md).
#ifndef LIMN_ENGINE_TEXT_TOKENIZER_KIND_H
#define LIMN_ENGINE_TEXT_TOKENIZER_KIND_H

#include <stddef.h>

#include "engine/base/limits.h"
#include "engine/text/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

// What a model's texts stand in: "<|im_start|>user\n", …
struct tokenizer_frame {
    char *before, *after; // owned
};

// A list that grows.
struct tokenizer_ids {
    int32_t *list;
    int count, capacity;
};

// What open() finds out about a vocabulary.
struct tokenizer_facts {
    int vocab; // all ids are below it
    int pad;   // id behind the end
    int end;   // id at the end of each text; -1: texts have none
    int32_t markers[LIMIT_INSTRUCTION_MARKER + 1]; // id of [ref#k], -1: not one token; [0] is -1
    // The vocabulary itself knows the markers: encode() sees the whole text. Else it sees what lies
    // between them, piece by piece.
    bool whole;
};

struct tokenizer_kind {
    const char *name; // for people: "sentencepiece"
    // In a model's folder tokenizer/. The first makes it one of this kind and is what open() gets;
    // the others go along when a model is saved. Ends with NULL.
    const char *const *files;
    // The vocabulary of a file; NULL: ERR_INPUT. The file may be anybody's.
    void *(*open)(const char *path, struct tokenizer_facts *facts, struct err *err);
    void (*close)(void *own);
    // Appends the ids of size > 0 bytes of valid UTF-8, without an end. false: it cannot.
    // Thread-safe.
    bool (*encode)(const void *own, const char *text, size_t size, struct tokenizer_ids *ids);
    // Text of ids, none of them the end or padding; those it does not know are passed over. Freed
    // with free(); NULL: it cannot.
    char *(*decode)(const void *own, const int32_t *ids, int count);
    // encode() of a text in its frame, whose special tokens are ids of their own while those that
    // the text spells are not. NULL: the kind has no special tokens.
    bool (*frame)(const void *own, const struct tokenizer_frame *f, const char *text, size_t size,
                  struct tokenizer_ids *ids);
    int openers; // so many of the first files are taken by open(); 0: one
};

#define TOKENIZER(stem) extern const struct tokenizer_kind tokenizer_##stem;
#include "engine/text/tokenizers.def"
#undef TOKENIZER

#ifdef __cplusplus
}
#endif

#endif

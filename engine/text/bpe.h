// SPDX-License-Identifier: MIT
// Byte-level byte-pair encoding as GPT-2 made it (Radford et al. 2019) and Qwen2 and Qwen3 have it:
// text in normal form C is split into words, a word's bytes are merged pair by pair, the pair of
// the lowest rank first. Private to engine/text.
#ifndef LIMN_ENGINE_TEXT_BPE_H
#define LIMN_ENGINE_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct bpe_special {
    char *text; // "<|im_start|>"
    int32_t id;
};

struct bpe_merge {
    int32_t left, right; // left -1: an empty slot
    int32_t rank, id;    // of what they become
};

struct bpe_vocab {
    char *bytes;          // of all tokens, one after another
    size_t *start;        // count + 1: where each id's begin; an id that is none has no bytes
    int count;            // all ids are below it
    int32_t byte[256];    // id of a single byte
    struct bpe_merge *merges; // open addressing
    size_t merge_slots;       // a power of two
    struct bpe_special *specials;
    int special_count;
};

// tokenizer.json, or vocab.json with merges.txt and, for special tokens, added_tokens.json or
// tokenizer_config.json beside it. Its normalisation and word pattern must be the ones implemented
// here: any other is refused by key and value. ERR_INPUT.
bool bpe_vocab_read(struct bpe_vocab *v, const char *path, struct err *err);
// The same of a language model's GGUF file.
bool bpe_vocab_read_gguf(struct bpe_vocab *v, const char *path, struct err *err);
void bpe_vocab_finish(struct bpe_vocab *v); // what was read so far; zeroed is fine
const struct bpe_merge *bpe_vocab_merge(const struct bpe_vocab *v, int32_t left, int32_t right);
int32_t bpe_vocab_special(const struct bpe_vocab *v, const char *text); // -1: none

// Fills a vocabulary from what all kinds of files hold: token texts with their ids, and the list of
// merges, "left right" or [left, right]; special tokens one by one.
struct jv;
bool bpe_vocab_fill(struct bpe_vocab *v, const struct jv *vocab, const struct jv *merges,
                    const char *path, struct err *err);
bool bpe_vocab_add_special(struct bpe_vocab *v, const char *text, int64_t id, const char *path,
                           struct err *err);

// The pattern that bpe_word() follows, as tokenizer.json has it.
extern const char bpe_pattern[];
// Normal form C of valid UTF-8, freed with free(); NULL: not enough memory.
char *bpe_normal(const char *text, size_t size, size_t *normal_size);
// Bytes of the word that begins at text; size > 0, valid UTF-8.
size_t bpe_word(const char *text, size_t size);

#endif

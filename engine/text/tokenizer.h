// SPDX-License-Identifier: MIT
// Text to ids: sentencepiece, with each reference marker as one token.
//
// A vocabulary that has "[ref#k]" as a user-defined symbol (limn's own) gives its id. In T5's
// vocabulary, which has none, [ref#k] is <extra_id_k>: transformers appends 100 extra ids to the
// pieces of the file, <extra_id_k> being number size-1-k of the whole. The text between markers
// is then encoded piece by piece, as transformers does around added tokens; in limn's own
// vocabulary sentencepiece sees the whole text at once.
#ifndef LIMN_ENGINE_TEXT_TOKENIZER_H
#define LIMN_ENGINE_TEXT_TOKENIZER_H

#include <stdint.h>

#include "engine/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tokenizer;

struct tokenizer *tokenizer_open(const char *path, struct err *err); // spiece.model
void tokenizer_close(struct tokenizer *t);                           // NULL is fine

// ids[0..max): the text's ids, then end-of-sentence, then padding. A longer text is cut before
// end-of-sentence. Returns how many ids the whole text has with its end (so more than max means it
// was cut), -1 on error (text that is not UTF-8). Thread-safe.
int tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids, int max,
                     struct err *err);

// Text of ids, for people; stops at the end-of-sentence. Freed with free().
char *tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int count);

int tokenizer_vocab_size(const struct tokenizer *t); // with extra ids
int tokenizer_pad_id(const struct tokenizer *t);
int tokenizer_end_id(const struct tokenizer *t);
int32_t tokenizer_marker_id(const struct tokenizer *t, int marker); // -1: not one token
int tokenizer_marker_max(const struct tokenizer *t); // largest k for which 1..k are one token each

#ifdef __cplusplus
}
#endif

#endif

// SPDX-License-Identifier: MIT
// Text to ids, with each reference marker as one token. Kinds of tokenizer are the rows of
// tokenizers.def; which of them reads a model's text is for the model's files to say.
//
// A vocabulary that has "[ref#k]" as a symbol of its own (limn's own) gives its id. In T5's, which
// has none, [ref#k] is <extra_id_k>: transformers appends 100 extra ids to the pieces of the file,
// <extra_id_k> being number size-1-k of the whole. The text between markers is then encoded piece
// by piece, as transformers does around added tokens; a vocabulary that knows the markers sees the
// whole text at once.
#ifndef LIMN_ENGINE_TEXT_TOKENIZER_H
#define LIMN_ENGINE_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tokenizer;

// The file in a model's folder tokenizer/ that some kind reads, freed with free(); NULL: none does.
char *tokenizer_find(const char *folder);

// A folder as above, or one file; a file's kind is known by the end of its name, or else the first.
struct tokenizer *tokenizer_open(const char *path, struct err *err);
void tokenizer_close(struct tokenizer *t); // NULL is fine

// From now on every text is put between `before` and `after`, in which special tokens are
// recognised ("<|im_start|>user\n"). The text itself never yields special tokens. ERR_INPUT: the
// kind has none.
bool tokenizer_set_frame(struct tokenizer *t, const char *before, const char *after,
                         struct err *err);

// ids[0..max): the text's ids, then its end where the kind has one, then padding. A longer text is
// cut before its end. Returns how many ids the whole text has with its end (so more than max means
// it was cut), -1 on error (too long to be a text). Invalid UTF-8 is read as U+FFFD. Thread-safe.
int tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids, int max,
                     struct err *err);

// The same for a person's text: where it is cut, a notice in the log says what is left out.
bool tokenizer_read(const struct tokenizer *t, const char *text, int32_t *ids, int max,
                    struct err *err);

// Text of ids, for people; stops at the end. Freed with free().
char *tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int count);

int tokenizer_vocab_size(const struct tokenizer *t); // all ids are below it
int tokenizer_pad_id(const struct tokenizer *t);
int tokenizer_end_id(const struct tokenizer *t); // -1: texts have no end
int32_t tokenizer_marker_id(const struct tokenizer *t, int marker); // -1: not one token
int tokenizer_marker_max(const struct tokenizer *t); // largest k for which 1..k are one token each

// Names of the files in tokenizer/ that some kind reads, for i from 0 on; NULL behind the last.
const char *tokenizer_file(int i);

#ifdef __cplusplus
}
#endif

#endif

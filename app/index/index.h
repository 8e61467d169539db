// SPDX-License-Identifier: MIT
// An index: pictures that are found by words or by what they look like, with small copies of the
// pictures themselves, so that the folder they came from is not needed. One SQLite file
// (docs/retrieval.md has the tables).
//
// The file may come from a stranger. It is opened read-only and immutable (no journal beside it is
// read), must have the tables of this version word for word, and is checked by SQLite; every size
// and text is checked where it is read. Its pictures are bytes that only the sandbox decodes
// (loaders/look.h). One thread at a time.
#ifndef LIMN_APP_INDEX_INDEX_H
#define LIMN_APP_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/retrieval/looks.h"
#include "engine/retrieval/neighbours.h"

// What a model folder's index is called.
#define INDEX_FILE "index.db"

struct index;

// The path of the index in a model's folder, freed with free(). NULL: there is none (no error), or
// it is a link that leads out of the folder (ERR_INPUT): the pictures it has become part of what is
// drawn, so that a model from elsewhere could take those of the user's own index.
char *index_of_model(const char *folder, struct err *err);

struct index_about {
    int64_t pictures;
    int dimension, features;   // of a vector; of the model's features it was made from
    int side;                  // pixels a side of the copies
    char model[128], hash[17]; // which model's features the vectors are (pipeline_info)
};

// ERR_INPUT: not an index, or a damaged one; ERR_UNSUPPORTED: a version that this limn does not
// read.
struct index *index_open(const char *path, struct err *err);
// Whether an index, or the source of one, may have this many pictures: 1 to `most`, which is
// LIMIT_INDEX_PICTURES except in tests. ERR_INPUT if not.
bool index_count_allowed(const char *name, int64_t pictures, int64_t most, struct err *err);
void index_close(struct index *x); // NULL is fine
const struct index_about *index_about(const struct index *x);

// One of its pictures; rows count from 0. Each text is one line of valid UTF-8.
struct index_picture {
    int64_t row;
    char *name;            // what it shows: "snail"
    char *style;           // "noto"; "": not known
    char *source, *credit; // the original file; its author. "": not known
    uint8_t *data;         // a picture file
    size_t size;
};
bool index_picture(struct index *x, int64_t row, struct index_picture *out, struct err *err);
void index_picture_finish(struct index_picture *p); // zeroed is fine

// All vectors, read once and kept.
bool index_vectors(struct index *x, struct vectors *out, struct err *err);
// How features become the index's vectors. Call looks_close() afterwards, after a failure too.
bool index_looks(struct index *x, struct looks *out, struct err *err);

// --- by words (index_words.c)

// The pictures that a sentence asks for, best first. A picture matches by its name and its
// keywords, both stemmed (FTS5, porter); a style named in the sentence decides between pictures of
// the same thing. The things to draw are the last words of the phrases between prepositions and the
// like ("a red FOX on a HILL"): one of them must match.
enum { INDEX_FOUND_MAX = 64 };
struct index_found {
    struct index_hit {
        int64_t row;
        size_t at, end; // bytes of the sentence: the words that matched, as far as they adjoin
        double score;
        bool loose; // only its keywords matched
    } items[INDEX_FOUND_MAX];
    int count;
    char missing[128]; // a thing to draw that was not found: "quokka"; "": all were found
};
// At most `count`: one picture for each thing named, then more of the first.
bool index_find(struct index *x, const char *sentence, int count, struct index_found *out,
                struct err *err);

// --- for index_words.c

// Calls `each` for every entry whose name (or, `keywords`, keywords) has a word, best first (bm25),
// at most a thousand. `word`: any text.
typedef void index_each_entry(void *ctx, int64_t entry, const char *name);
bool index_match(struct index *x, const char *word, bool keywords, index_each_entry *each,
                 void *ctx, struct err *err);
// Calls `each` with row and style number of every picture of an entry, in order.
typedef void index_each_picture(void *ctx, int64_t row, int style);
bool index_entry(struct index *x, int64_t entry, index_each_picture *each, void *ctx,
                 struct err *err);
int index_style_count(const struct index *x);
const char *index_style(const struct index *x, int style);

#endif

// SPDX-License-Identifier: MIT
// Writing an index. Everything is kept in memory until index_writer_commit() writes the file, whole
// or not at all.
#ifndef LIMN_APP_INDEX_INDEX_WRITE_H
#define LIMN_APP_INDEX_INDEX_WRITE_H

#include "app/index/index.h"

struct index_writer;

// Model, hash and side are taken from `about`; the dimensions from `looks`, with which the vectors
// were made.
struct index_writer *index_writer_open(const struct index_about *about, const struct looks *looks,
                                       struct err *err);
void index_writer_close(struct index_writer *w); // NULL is fine

// The next style; they are numbered from 0 in the order they come.
bool index_writer_style(struct index_writer *w, const char *name, const char *credit,
                        struct err *err);
struct index_record {
    const char *name, *keywords, *source;
    int style;        // < 0: not known
    const void *data; // a picture file
    size_t size;
    const int8_t *vector;
};
bool index_writer_add(struct index_writer *w, const struct index_record *r, struct err *err);
bool index_writer_commit(struct index_writer *w, const char *path, struct err *err);

#endif

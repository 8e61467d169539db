// SPDX-License-Identifier: MIT
// Making a pack (engine/train/pack.h) from pictures: decode, compose on white, make square, run
// the loaders of the roles, reduce, write. Pictures are treated by several processes; the result
// does not depend on how many. It forks: call it before the program has other threads, so also
// before it has worked on any picture, as libvips starts threads then.
#ifndef LIMN_APP_DATA_PACK_H
#define LIMN_APP_DATA_PACK_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine/base/err.h"

struct data_pack_params {
    const char *const *sources; // as in data_source_gather()
    size_t source_count;
    const char *out;
    int size;          // pixels a side, 0: 64
    const char *roles; // as in data_roles.h; NULL: the default
    int workers;       // processes, 0: one a processor
    bool names;        // a picture without a caption is called as its file is
    void (*progress)(void *ctx, size_t done, size_t total); // now and then; may be NULL
    void *ctx;
    const atomic_int *cancel; // not 0: stop with ERR_CANCELLED; may be NULL
};

struct data_pack_report {
    size_t pictures;        // in the pack
    size_t without_caption; // left out
    size_t not_text;        // left out, their captions being no UTF-8; the first of them:
    struct err first_not_text;
    size_t unreadable;      // left out; the first of them:
    struct err first_unreadable;
};

// A picture that cannot be decoded or seen by a loader is left out and counted; none at all left is
// an error. The file appears whole or not at all.
bool data_pack_make(const struct data_pack_params *p, struct data_pack_report *report,
                    struct err *err);

// Whether a file begins as a pack does; an error: it cannot be read. A folder is none.
bool data_is_pack(const char *path, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Making a pack (engine/train/pack.h) from pictures: decode, compose on white, make square, run the
// loaders of the roles, reduce, write. Several processes share the work; the result does not depend
// on how many. It forks, so call it before the program starts threads, which includes any use of
// libvips.
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
    const char *roles; // as in app/data/roles.h; NULL: the default
    int workers;       // processes, 0: one per processor
    bool names;        // a picture without a caption is captioned with its file name
    void (*progress)(void *ctx, size_t done, size_t total); // may be NULL
    void *ctx;
    const atomic_int *cancel; // not 0: stop with ERR_CANCELLED; may be NULL
};

struct data_pack_report {
    size_t pictures;        // in the pack
    size_t without_caption; // left out
    size_t bad_captions;    // left out: caption not UTF-8, or invalid JSON; the first:
    struct err first_bad_caption;
    size_t unreadable;      // left out; the first of them:
    struct err first_unreadable;
};

// Pictures that cannot be decoded, or that a loader fails on, are left out and counted; it is an
// error if none is left. The file appears whole or not at all.
bool data_pack_make(const struct data_pack_params *p, struct data_pack_report *report,
                    struct err *err);

// Whether a file begins like a pack; false for a folder. Sets err if it cannot be read.
bool data_is_pack(const char *path, struct err *err);

#endif

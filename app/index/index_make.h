// SPDX-License-Identifier: MIT
// Making an index of a pack, or of a folder or archive of pictures (app/data/source.h), which is
// packed first. Left out are pictures that the split holds out, and near-duplicates: of pictures
// with the same name that look alike to the model, the first is kept. Packing a folder forks: call
// it before the program has other threads.
#ifndef LIMN_APP_INDEX_INDEX_MAKE_H
#define LIMN_APP_INDEX_INDEX_MAKE_H

#include <stdatomic.h>

#include "app/base/value.h"
#include "engine/base/err.h"
#include "engine/base/jv.h"

struct index_make {
    const char *source, *out;
    const char *model, *device; // a folder; as for device_open()
    int side;                   // pixels of the copies, 0: the model's
    int each;                   // at most this many of one name, different styles first; 0: all
    double duplicate;           // distance under which two of one name are the same picture
    struct value_list styles;   // which; none: all
    const struct jv *credits;   // {style: author}; NULL: none
    const char *credit;         // author of all other pictures; NULL: none
    void (*progress)(void *ctx, const char *what, size_t done, size_t total); // may be NULL
    void *ctx;
    const atomic_int *cancel; // not 0: stop with ERR_CANCELLED; may be NULL
};

struct index_make_report {
    size_t pictures, entries; // in the index
    size_t held_out, duplicates,
        over; // left out: held out, near-duplicates, beyond `each`
    size_t unread;           // left out: picture or caption damaged; the first:
    struct err first_unread;
};

bool index_make(const struct index_make *m, struct index_make_report *report, struct err *err);

#endif

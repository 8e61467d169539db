// SPDX-License-Identifier: MIT
// Looking at pictures that may come from anyone: they are decoded, and loaders run on them, in a
// child of the sandbox (sandbox/sandbox.h) with limits of time, memory and size. The only way in
// which the program decodes a picture. Whatever the child does, the worst that comes out is one
// wrong picture of an allowed size, or a sentence.
#ifndef LIMN_LOADERS_LOOK_H
#define LIMN_LOADERS_LOOK_H

#include "loaders/host.h"

// The sandbox's keeper, which starts libvips for its children. From the main thread, before others
// start; what needs it and finds it not started starts it. The second call and later ones do
// nothing.
bool look_start(struct err *err);

struct look_want {
    int side; // pixels: the longer side is reduced to it; 0: the limit. An SVG is drawn at that
              // size, at most LIMIT_VECTOR_SIDE or as large as it says, whichever is more
    bool png;  // nothing but a PNG is decoded
    int cover; // pixels: instead the square that covers at most so many a side, the middle of the
               // picture, no smaller than cover_least; 0: no square
    int cover_least;
    double seconds;         // 0: LIMIT_LOOK_SECONDS
    const atomic_int *stop; // NULL, or what makes it end with ERR_CANCELLED when it is not 0
};

// RGB8, or RGBA8 where the file has alpha. `name` starts the errors; `want` may be NULL.
// ERR_INPUT: no picture, over a limit, or its decoder crashed. Any thread.
struct image *look_at(const void *data, size_t size, const char *name, const struct look_want *want,
                      struct err *err);
struct image *look_file(const char *path, const struct look_want *want, struct err *err);

// A picture file, whole, through a loader, as look_at() and loader_run_limited() in turn; in one
// child where limits allow, so that its pixels are not carried about. RGBA8.
struct image *look_run(const void *data, size_t size, const char *name,
                       const struct loader_entry *e, const struct loader_values *values,
                       const struct loader_limits *limits, struct err *err);

// A picture that a worker sent: a PNG of at most LIMIT_RESULT_SIDE pixels a side, within
// LIMIT_RESULT_SECONDS. `stop`: as in struct look_want.
struct image *look_result(const void *png, size_t size, const char *name, const atomic_int *stop,
                          struct err *err);

// Whether a file begins as a picture that would be read. ERR_INPUT why not. `stop`: as above.
bool look_check(const char *path, const atomic_int *stop, struct err *err);

// A child that looks at many pictures, one after the other, for batch work: a fault costs only the
// picture at which it happens, the next call begins another child. One thread at a time.
struct looker;
// `loaders` (NULL at the end, at most LIMIT_PACK_ROLES; may be NULL): what will be run in it.
struct looker *looker_open(const struct loader_entry *const *loaders);
void looker_close(struct looker *l); // NULL is fine
struct image *looker_at(struct looker *l, const void *data, size_t size, const char *name,
                        const struct look_want *want, struct err *err);
// Runs one of its loaders, as loader_run().
struct image *looker_run(struct looker *l, const struct loader_entry *e, const struct image *in,
                         const struct loader_values *values, struct err *err);

#endif

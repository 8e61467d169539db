// SPDX-License-Identifier: MIT
// Decodes untrusted pictures, runs loaders on them, and draws letters, in a child of the sandbox
// (sandbox/sandbox.h) with limits on time, memory and size. The program does these things nowhere
// else. Whatever the child does, the worst result is a wrong picture of an allowed size, or an
// error message.
#ifndef LIMN_LOADERS_LOOK_H
#define LIMN_LOADERS_LOOK_H

#include "loaders/host.h"

// Starts the sandbox's keeper, which initialises libvips for its children. Call it from the main
// thread before others start; the functions below call it if nobody has. Later calls do nothing.
bool look_start(struct err *err);

struct look_options {
    int side; // pixels: the longer side is reduced to it; 0: the limit. An SVG is rendered at that
              // size, but at most at LIMIT_VECTOR_SIDE or the size it declares, if that is larger
    bool png;  // decode nothing but PNG
    int cover; // pixels: crop the central square and reduce it to at most this side, and at least
               // to cover_least; 0: no square
    int cover_least;
    double seconds;         // 0: LIMIT_LOOK_SECONDS
    const atomic_int *stop; // NULL, or a flag that ends it with ERR_CANCELLED when it is not 0
};

// Decodes to RGB8, or to RGBA8 if the file has alpha. `name` starts the errors; `options` may be
// NULL. ERR_INPUT: not a picture, over a limit, or its decoder crashed. Any thread.
struct image *look_decode(const void *data, size_t size, const char *name,
                          const struct look_options *options, struct err *err);
struct image *look_decode_file(const char *path, const struct look_options *options,
                               struct err *err);

// Decodes a picture file and runs a loader on it, like look_decode() followed by loader_run(),
// in one child where the limits allow, so that the pixels are not copied between processes. RGBA8.
struct image *look_decode_run(const void *data, size_t size, const char *name,
                              const struct loader_entry *e, const struct loader_values *values,
                              const struct loader_limits *limits, struct err *err);

// Decodes a worker's picture: a PNG of at most LIMIT_RESULT_SIDE pixels a side, within
// LIMIT_RESULT_SECONDS. `stop`: as in struct look_options.
struct image *look_decode_result(const void *png, size_t size, const char *name,
                                 const atomic_int *stop, struct err *err);

// Whether a file starts like a picture in a supported format. ERR_INPUT says why not. `stop`: as
// above.
bool look_check(const char *path, const atomic_int *stop, struct err *err);

// A child that decodes many pictures, or draws many letters, one after another, for batch work. A
// fault affects only the picture that causes it; the next call starts another child. One thread at
// a time.
struct look_child;
// `loaders` (NULL at the end, at most LIMIT_PACK_ROLES; may be NULL): the loaders to run in it.
struct look_child *look_child_open(const struct loader_entry *const *loaders);
void look_child_close(struct look_child *l); // NULL is fine
struct image *look_child_decode(struct look_child *l, const void *data, size_t size,
                                const char *name, const struct look_options *options,
                                struct err *err);
// Runs one of its loaders, like loader_run().
struct image *look_child_run(struct look_child *l, const struct loader_entry *e,
                             const struct image *in, const struct loader_values *values,
                             struct err *err);
// codec_text() and codec_glyph(): letters of the system's fonts, of exactly that size.
struct image *look_child_text(struct look_child *l, const char *text, int width, int height,
                              struct err *err);
struct image *look_child_glyph(struct look_child *l, const char *character, int width, int height,
                               bool bold, struct err *err);

#endif

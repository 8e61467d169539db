/* SPDX-License-Identifier: MIT */
/*
 * The ABI of modality loaders: a picture in, a conditioning picture out (edges, a mask, a sketch
 * …).
 *
 * A loader is a shared object that exports exactly one symbol, a constant of type struct
 * limn_loader named LIMN_LOADER_SYMBOL:
 *
 *     LIMN_LOADER_EXPORT const struct limn_loader limn_loader_v1 = {
 *         .size = sizeof(struct limn_loader), .name = "edge", …, .run = run, .release = release };
 *
 * It is data, which is copied and checked before any of its functions is called. But loading the
 * file runs its constructors and those of its libraries, so loading, like every run, happens in a
 * process of its own, in the sandbox described below. This header needs only the C library, and
 * only bytes and the structs below cross the boundary.
 *
 * Versions: new fields go at the end, marked "since 1.n"; `size` tells the host how much it may
 * read. Any other change (a field removed, moved or given a new meaning) increments LIMN_LOADER_ABI
 * and with it the symbol's name, so that an old loader lacks the symbol and is refused with an
 * error message.
 *
 * Where it runs: constructors and run() are called from one thread of a child process that does
 * nothing else and may be killed at any moment. There, if the kernel supports it (Landlock,
 * seccomp):
 *   - files: the loader's own file, the shared objects beside it, and the system's libraries, fonts
 *     and colour profiles can be read; nothing can be written; the picture is passed as pixels, not
 *     as a file.
 *   - no sockets, no other programs or processes (threads are fine), no signals to others.
 *   - memory and time are limited; standard input and output are /dev/null.
 * Forbidden calls fail with EPERM or EACCES. No state is kept from one run to the next.
 */
#ifndef LIMN_LOADER_H
#define LIMN_LOADER_H

#include <stddef.h>
#include <stdint.h>

#define LIMN_LOADER_ABI    1
#define LIMN_LOADER_SYMBOL "limn_loader_v1"

#if defined(__GNUC__)
#define LIMN_LOADER_EXPORT __attribute__((visibility("default")))
#else
#define LIMN_LOADER_EXPORT
#endif

/* A picture: 8-bit sRGB, RGBA with alpha not premultiplied, rows from the top. */
struct limn_picture {
    int32_t width, height; /* pixels, 1..16384 */
    size_t stride;         /* bytes from row to row, at least 4*width */
    uint8_t *pixels;
};

enum limn_param_kind {
    LIMN_PARAM_INT = 1,
    LIMN_PARAM_FLOAT,
    LIMN_PARAM_BOOL,  /* 0 or 1 */
    LIMN_PARAM_CHOICE /* the number of the choice, from 0 */
};

/* One setting. Forms and command lines are made from this. */
struct limn_param {
    const char *name; /* lower case, digits, dashes */
    const char *help; /* one sentence */
    int32_t kind;     /* enum limn_param_kind */
    double minimum, maximum, fallback; /* of INT and FLOAT; fallback of all */
    const char *choices; /* CHOICE: "name|name|…", else NULL */
};

struct limn_loader {
    uint32_t size;       /* sizeof(struct limn_loader) when it was compiled */
    const char *name;    /* lower case, digits, dashes; at most 31 characters */
    const char *role;    /* what the result is in an instruction: "edge map", "mask", … */
    const char *summary; /* one sentence */
    const struct limn_param *params;
    uint32_t param_count; /* at most 16 */

    /* How well this loader suits the picture: 0 not at all, 100 made for it. May be NULL: 50.
     * This version of limn does not call it. */
    int32_t (*probe)(const struct limn_picture *in);

    /* Makes `out` from `in`. values[i] belongs to params[i] and lies in its range. Returns 0 and
     * fills `out` (pixels allocated by the loader), or returns another number and writes one
     * sentence to error (error_size bytes). `in` stays the host's. */
    int32_t (*run)(const struct limn_picture *in, const double *values, struct limn_picture *out,
                   char *error, size_t error_size);

    /* Frees what run() put into `out`. Only called after a run() that returned 0. */
    void (*release)(struct limn_picture *out);
};

#endif

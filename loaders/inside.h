// SPDX-License-Identifier: MIT
// The protocol between the program and a child of its sandbox: a request and its bytes, an answer
// and its bytes, until the program closes its side. Both run the same executable, so structs are
// sent as they are; but the answer is checked like any untrusted input.
#ifndef LIMN_LOADERS_INSIDE_H
#define LIMN_LOADERS_INSIDE_H

#include <stdint.h>

#include "engine/base/limits.h"
#include "loaders/look.h"
#include "sandbox/sandbox.h"

enum inside_type {
    INSIDE_CHECK = 1,
    INSIDE_DECODE,
    INSIDE_DESCRIBE,
    INSIDE_RUN,
    INSIDE_DECODE_RUN,
    INSIDE_TEXT,
    INSIDE_GLYPH
};

struct inside_request {
    int32_t type;
    int32_t file;             // DESCRIBE, RUN, DECODE_RUN: which of the readable files
    int32_t width, height;    // RUN: of the pixels, RGBA8, that follow; TEXT, GLYPH: wanted
    int32_t bold;             // GLYPH
    int32_t png, side, cover; // DECODE: see struct look_options
    int32_t cover_least, vector_least, vector_most;
    uint64_t size;                 // bytes that follow; TEXT, GLYPH: UTF-8 with its NUL
    double values[LIMIT_LOADER_PARAMS];
};

struct inside_answer {
    int32_t refused;               // 0: what was asked for follows
    int32_t width, height, format; // DECODE, RUN, TEXT, GLYPH: pixels follow
    char text[ERR_TEXT_MAX];       // why it was refused
};

// DECODE_RUN: the bytes of a picture file, whose pixels stay in the child. Two answers: the
// decoder's, which nothing follows, and, unless that is a refusal, the loader's.

// DESCRIBE: follows the answer.
struct inside_description {
    char name[LIMIT_LOADER_NAME_BYTES + 1], role[LIMIT_LOADER_ROLE_BYTES + 1],
        summary[LIMIT_LOADER_SUMMARY_BYTES + 1];
    uint32_t param_count;
    struct {
        char name[LIMIT_LOADER_NAME_BYTES + 1], help[LIMIT_LOADER_SUMMARY_BYTES + 1],
            choices[LIMIT_LOADER_CHOICES_BYTES + 1];
        int32_t kind;
        double minimum, maximum, fallback;
    } params[LIMIT_LOADER_PARAMS];
};

// In the child.
void inside_serve(int fd, const char *const *readable);

// NULL: the description can be used; else what is wrong with it. The whole struct must be readable.
const char *loader_check(const struct limn_loader *l);

// In the program: sends the request and `bytes`, waits for the answer. The answer's text is then
// one harmless line.
enum sandbox_state inside_ask(struct sandbox *s, const struct inside_request *request,
                              const void *bytes, struct inside_answer *answer,
                              const struct sandbox_wait *wait);
// Waits for an answer; inside_ask() does.
enum sandbox_state inside_receive(struct sandbox *s, struct inside_answer *answer,
                                  const struct sandbox_wait *wait);
// The pixels after an answer; *image is NULL with an error when their size is not allowed.
enum sandbox_state inside_pixels(struct sandbox *s, const struct inside_answer *answer,
                                 struct image **image, const struct sandbox_wait *wait,
                                 struct err *err);
// Files that a run of the loader may read: its own first, then shared objects beside it. Appends to
// `paths`, which is freed with inside_free_readable(); returns the index of its own.
enum { INSIDE_READABLE_MAX = 64 };
int inside_readable(const char *file, char *paths[INSIDE_READABLE_MAX + 1]);
void inside_free_readable(char *paths[INSIDE_READABLE_MAX + 1]);

// loader_run() in an open child, whose `file`-th readable file is the loader's; *s becomes NULL if
// the child can no longer be used.
struct image *loader_run_in(struct sandbox **s, int file, const struct loader_entry *e,
                            const struct image *in, const struct loader_values *values,
                            const struct loader_limits *limits, struct err *err);

// The loader's part of a DECODE_RUN whose decoder's answer has been received; *s as above.
struct image *loader_receive_result(struct sandbox **s, const struct loader_entry *e,
                                    const struct loader_limits *limits, struct err *err);

// Makes it one line of valid UTF-8 without control characters: what is not becomes '?'.
void inside_sanitise(char *text);

#endif

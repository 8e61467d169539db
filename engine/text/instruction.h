// SPDX-License-Identifier: MIT
// A multi-modal instruction (Instruct-Imagen, section 2): a text that refers to pictures by
// markers, and the context: for each marker its own short text and a picture.
//
//     "Draw [ref#1] in the style of [ref#2]: a fox on a hill"
//     [ref#1] "[ref#1] fox", picture    [ref#2] "[ref#2] style image", picture
//
// References are matched by marker, never by position; numbers need not start at 1.
#ifndef LIMN_ENGINE_TEXT_INSTRUCTION_H
#define LIMN_ENGINE_TEXT_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/limits.h"

struct instruction_reference {
    int marker;       // k of [ref#k]
    char *text;       // own text with its marker in it: "[ref#1] fox"
    int width, height;
    uint8_t *rgb;     // width*height*3, sRGB, row-major; NULL while not loaded yet
    bool retrieved;   // chosen for the words that follow its marker, which are its own
};

struct instruction {
    char *text;
    int reference_count;
    struct instruction_reference references[LIMIT_INSTRUCTION_REFERENCES];
};

// Text of n.text between markers and the markers, in order; for editors and checkers.
struct instruction_span {
    int marker;         // 0: text
    size_t start, length; // bytes in the text
};
// Spans of `text`, at most `max`; returns how many there are. "[ref#" that is not followed by a
// number in 1..99 and "]" is an error that names the column (1-based, in characters).
// Returns -1 on error.
int instruction_spans(const char *text, struct instruction_span *spans, int max, struct err *err);

// Every marker in the text has exactly one reference, every reference is used in the text, each
// reference's own text holds its own marker and no other, lengths are in range, valid UTF-8.
// One sentence for the first fault.
bool instruction_check(const struct instruction *n, struct err *err);

// Adds a reference; takes over nothing, copies texts (rgb may be NULL, else copied). Its own text
// is made from a role or a few words: "fox" -> "[ref#1] fox"; words that hold the marker already
// are kept.
bool instruction_add(struct instruction *n, int marker, const char *words, int width, int height,
                     const uint8_t *rgb, struct err *err);
// Place of a reference among the others in the order of their markers, from 0 on.
int instruction_rank(const struct instruction *n, int marker);
// The text for models that refer to pictures by words: [ref#k] becomes "WORD r", r its rank + 1. A
// marker without a reference stays as it is. Freed with free(); NULL: the markers are not well
// formed.
char *instruction_in_words(const struct instruction *n, const char *word, struct err *err);
// Whether some reference was retrieved.
bool instruction_is_retrieved(const struct instruction *n);
// The text with retrieved references in place of their words: "a red [ref#1] fox" becomes "a red
// [ref#1]". Freed with free(); NULL: no reference is retrieved.
char *instruction_by_markers(const struct instruction *n);
void instruction_finish(struct instruction *n); // frees what it holds; zeroed is fine

#endif

// SPDX-License-Identifier: MIT
// Values as people write them: which are allowed, how they are read and written. Options of the
// command line, parameters of a drawing and fields of a form share this one type, so a range or a
// list of names is given once and its error message is the same everywhere.
#ifndef LIMN_APP_BASE_VALUE_H
#define LIMN_APP_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/limits.h"

enum value_kind {     // what is stored
    VALUE_SWITCH = 0, // bool: on or off
    VALUE_WHOLE,      // int in low..high
    VALUE_LONG,       // int64_t in low..high
    VALUE_REAL,       // double in low..high
    VALUE_SIZE,       // struct value_size: "WxH", or "N" for a square; sides in low..high
    VALUE_CHOICE,     // char *: one of some names
    VALUE_TEXT,       // char *: any text but the empty one
    VALUE_WEIGHTED, // char *: "N:X", a whole number that is not negative, and a number in low..high
    VALUE_WEIGHTS,  // char *: "K=W[@FROM..TO] …", W in low..high; see value_weights()
    VALUE_COLOUR,   // char *: "#rrggbb", "#rgb", "white", "black" or "none"
    VALUE_LIST,     // struct value_list: texts, in the order they were given
    VALUE_KIND_COUNT
};

// The type of the field that stores each.
#define VALUE_FIELD_SWITCH   bool
#define VALUE_FIELD_WHOLE    int
#define VALUE_FIELD_LONG     int64_t
#define VALUE_FIELD_REAL     double
#define VALUE_FIELD_SIZE     struct value_size
#define VALUE_FIELD_CHOICE   char *
#define VALUE_FIELD_TEXT     char *
#define VALUE_FIELD_WEIGHTED char *
#define VALUE_FIELD_WEIGHTS  char *
#define VALUE_FIELD_COLOUR   char *

// What a text names, for completion and for lists to choose from.
enum completion {
    COMPLETE_NOTHING = 0,
    COMPLETE_FILE,
    COMPLETE_FOLDER,
    COMPLETE_HOST,
    COMPLETE_TEMPLATE, // or a file
    COMPLETE_LOADER,
    COMPLETE_MODEL, // or a folder
    COMPLETE_DEVICE,
    COMPLETE_JOB,
    COMPLETE_COMMAND,
};

struct value_size {
    int width, height; // pixels; both 0: not given
};

struct value_list {
    const char *items[LIMIT_OPTION_TIMES];
    int count;
};

struct value_type {
    enum value_kind kind;
    double low, high; // of numbers, VALUE_SIZE, VALUE_WEIGHTED and VALUE_WEIGHTS; low <= high
    const char *(*name)(int i); // VALUE_CHOICE: its i-th name, NULL after the last
};

// Reads `text` and stores the value at `at`; texts are stored as the pointer that was given.
// ERR_INPUT: "NAME is 'TEXT', but must be …", with the range or the names.
bool value_read(const struct value_type *type, const char *name, const char *text, void *at,
                struct err *err);
// The text from which value_read() reads the same value; not for VALUE_LIST. Freed with free().
char *value_text(const struct value_type *type, const void *at);

// Both halves of a VALUE_WEIGHTED. False: not a valid one.
bool value_weighted(const char *text, int64_t *whole, double *weight);

// One part of a VALUE_WEIGHTS: reference K counts `weight` times as much in the steps between
// `from` and `to`, fractions of all steps in [0,1], and not at all in the others.
struct value_weight {
    int number; // 1..LIMIT_INSTRUCTION_MARKER
    double weight, from, to;
};
// The parts of a VALUE_WEIGHTS, with spaces or commas between them; at most
// LIMIT_INSTRUCTION_REFERENCES, each number once. Returns how many; -1: not a valid one.
int value_weights(const char *text, struct value_weight out[LIMIT_INSTRUCTION_REFERENCES]);

// A VALUE_COLOUR: 0xRRGGBB, or -1 for "none". False: not a valid one.
bool value_colour(const char *text, int32_t *rgb);

// Whether values of this kind are stored as char *.
static inline bool
value_is_text(enum value_kind kind)
{
    return kind == VALUE_CHOICE || kind == VALUE_TEXT || kind == VALUE_WEIGHTED ||
           kind == VALUE_WEIGHTS || kind == VALUE_COLOUR;
}

// The allowed values for people to read: "1..1000", "f32, bf16, f16"; "" for any text.
void value_range(const struct value_type *type, char *out, size_t size);
// The names of a choice, NULL at the end; returns how many.
int value_names(const struct value_type *type, const char *names[LIMIT_CHOICE_NAMES + 1]);

#endif

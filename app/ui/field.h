// SPDX-License-Identifier: MIT
// A text being edited: UTF-8, a cursor, undo. Independent of the screen except for the width of
// characters.
#ifndef LIMN_APP_UI_FIELD_H
#define LIMN_APP_UI_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

#include "app/base/text.h"

struct field_state {
    char *text;
    size_t cursor;
};

struct field {
    char *text;    // never NULL after field_set()
    size_t cursor; // byte, at the start of a character
    size_t limit;  // bytes at most
    bool lines;    // may hold line breaks
    struct field_state *undo, *redo;
    int undo_count, undo_capacity, redo_count, redo_capacity;
    bool typing; // the last change was a typed character: undone together with those around it
};

void field_set(struct field *f, const char *text); // cursor at the end; clears undo
void field_finish(struct field *f);                // zeroed is fine

// A key from curses: a KEY_ value if `code`, else a character. True if it was used: characters,
// arrows, Home, End, Backspace, Delete; Ctrl-A E U K W; Ctrl-_ undo (Ctrl-/ on most keyboards),
// Ctrl-R redo.
bool field_key(struct field *f, wint_t key, bool code);
// Inserts at the cursor, without control characters and invalid bytes.
void field_insert(struct field *f, const char *text);
// Replaces bytes [from, to) and puts the cursor after them.
void field_replace(struct field *f, size_t from, size_t to, const char *text);

// Wraps text into lines of at most `width` cells, at spaces. Fills in at most `max`; returns the
// count, >= 1.
struct field_line {
    size_t start, length; // bytes
};
int field_wrap(const char *text, int width, struct field_line *lines, int max);
// Moves the cursor to the wrapped line above or below; false at the edge.
bool field_move_line(struct field *f, int width, int by);

// Width in cells of the first n bytes; unprintable characters and invalid bytes count 1.
int text_width(const char *text, size_t n);

#endif

// SPDX-License-Identifier: MIT
// The cursor and text attributes of an ECMA-48 terminal, moved and changed in as few bytes as
// possible. For difference.c, which decides what is written where.
#ifndef LIMN_APP_UI_PEN_H
#define LIMN_APP_UI_PEN_H

#include <stdbool.h>
#include <stdio.h>

#include <curses.h>

// Colours as curses numbers them, -1 the terminal's own.
struct pen_style {
    attr_t attributes;
    int fg, bg;
};

extern const struct pen_style pen_plain;

struct pen {
    FILE *out;
    int row, column; // row -1: not certain
    struct pen_style style;
};

// What this terminal can do, by terminfo. fills: erased cells get the current background.
struct pen_capabilities {
    bool able; // the terminal has all that a pen needs
    bool columns, erases, fills, scrolls;
    attr_t lacks, not_with_colour; // attributes it lacks, or lacks together with colours
};

const struct pen_capabilities *pen_begin(void); // after newterm()

struct pen_style pen_style_of(const cchar_t *cell);
bool pen_same_style(const struct pen_style *a, const struct pen_style *b);
// A blank without underline or the like: only the background of its style is visible.
bool pen_is_blank(const cchar_t *cell);
wchar_t pen_character_of(const cchar_t *cell); // '?' for a blank with combining marks
int pen_width_of(const cchar_t *cell);         // columns

void pen_move(struct pen *pen, int row, int column);
void pen_use(struct pen *pen, const struct pen_style *style);
// Sets the cell's style; for a blank only what is visible, so that the letters' colour can stay.
void pen_use_of(struct pen *pen, const cchar_t *cell);
void pen_put(struct pen *pen, const cchar_t *cell); // prints it in that style

#endif

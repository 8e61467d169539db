// SPDX-License-Identifier: MIT
// A pen on a terminal of ECMA-48's kind: where it is and how it writes, changed in as few bytes as
// that takes. For difference.c, which knows what is to be written where.
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

// What this terminal can, by terminfo. fills: what is erased gets the ground in use.
struct pen_means {
    bool able; // everything that a pen needs
    bool columns, erases, fills, scrolls;
    attr_t lacks, not_with_colour; // attributes that cannot be had, or not together with colours
};

const struct pen_means *pen_begin(void); // after newterm()

struct pen_style pen_style_of(const cchar_t *cell);
bool pen_same_style(const struct pen_style *a, const struct pen_style *b);
// A blank without strokes: of its style only the ground is seen.
bool pen_is_blank(const cchar_t *cell);
wchar_t pen_letter_of(const cchar_t *cell); // a blank with marks on it is a '?'
int pen_width_of(const cchar_t *cell);      // columns

void pen_go(struct pen *pen, int row, int column);
void pen_use(struct pen *pen, const struct pen_style *style);
// As the cell is to look: letters keep their colour over blanks.
void pen_use_of(struct pen *pen, const cchar_t *cell);
void pen_put(struct pen *pen, const cchar_t *cell); // in that style

#endif

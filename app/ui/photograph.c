// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/text.h"
#include "app/ui/photograph.h"
#include "app/ui/ui_parts.h"
#include "engine/base/mem.h"
#include "loaders/look.h"

enum { OWN_TEXT = 0xE5E5E5, OWN_GROUND = 0x000000 }; // for the terminal's default colours

// A letter, drawn once: a screen has about a hundred different ones in thousands of cells.
struct letter {
    wchar_t character;
    bool bold;
    struct image *ink;
};

struct photograph {
    struct image *out;
    struct look_child *look_child; // draws the letters
    struct err err;        // why the picture cannot be made
    int width, height; // of a cell
    struct letter *letters;
    int count, capacity;
};

static struct image *
letter_of(struct photograph *p, wchar_t c, int cells, bool bold)
{
    char text[8];
    for (int i = 0; i < p->count; i++)
        if (p->letters[i].character == c && p->letters[i].bold == bold)
            return p->letters[i].ink;
    text[text_put(c, text)] = 0;
    struct letter l = {c, bold, NULL};
    if (p->err.code == ERR_NONE)
        l.ink = look_child_glyph(p->look_child, text, cells * p->width, p->height, bold, &p->err);
    ARRAY_PUSH(p->letters, p->count, p->capacity, l);
    return l.ink;
}

struct ink {
    uint32_t letter, ground;
    bool bold, underline;
};

// The colours and attributes of a cell.
static struct ink
ink_of(attr_t attributes, int pair)
{
    int fg = -1, bg = -1;
    extended_pair_content(pair, &fg, &bg);
    struct ink ink = {theme_colour(fg, OWN_TEXT), theme_colour(bg, OWN_GROUND),
                      attributes & A_BOLD, attributes & A_UNDERLINE};
    if (attributes & A_REVERSE) {
        uint32_t kept = ink.letter;
        ink.letter = ink.ground;
        ink.ground = kept;
    }
    if (attributes & A_DIM) // halfway to the background, in each channel
        ink.letter = ((ink.letter & 0xFEFEFE) >> 1) + ((ink.ground & 0xFEFEFE) >> 1);
    return ink;
}

static void
put_pixel(uint8_t *to, const struct ink *ink, int part)
{
    for (int c = 0; c < 3; c++) {
        int letter = ink->letter >> 8 * (2 - c) & 255, ground = ink->ground >> 8 * (2 - c) & 255;
        to[c] = (uint8_t)((letter * part + ground * (255 - part) + 127) / 255);
    }
}

static void
put_cell(struct photograph *p, int row, int column, int cells, wchar_t c, const struct ink *ink)
{
    struct image *letter = c == L' ' || c == 0xA0 ? NULL : letter_of(p, c, cells, ink->bold);
    int left = column * p->width, line = p->height - MAX(p->height / 10, 1);
    int width = MIN(cells * p->width, p->out->width - left);
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < width; x++) {
            int part = ink->underline && y == line ? 255 : letter ? image_row(letter, y)[x] : 0;
            put_pixel(image_row(p->out, row * p->height + y) + (size_t)(left + x) * 3, ink, part);
        }
}

static void
put_row(struct photograph *p, int row)
{
    for (int x = 0, cells; x < COLS; x += cells) {
        wchar_t text[CCHARW_MAX + 1] = L" ";
        attr_t attributes = 0;
        short pair = 0;
        int extended = 0;
        cchar_t cell;
        mvin_wch(row, x, &cell);
        getcchar(&cell, text, &attributes, &pair, &extended);
        cells = MAX(wcwidth(*text), 1);
        struct ink ink = ink_of(attributes, extended ? extended : pair);
        put_cell(p, row, x, cells, *text ? *text : L' ', &ink);
    }
}

struct image *
photograph_screen(const struct ui *ui, struct err *err)
{
    struct photograph p = {.width = ui->screen.term.cell_width,
                           .height = ui->screen.term.cell_height};
    int y, x;
    p.out = image_create(COLS * p.width, LINES * p.height, IMAGE_RGB8, &p.err);
    p.look_child = look_child_open(NULL);
    getyx(stdscr, y, x);
    for (int row = 0; p.out && row < LINES; row++)
        put_row(&p, row);
    move(y, x);
    look_child_close(p.look_child);
    if (p.err.code == ERR_NONE) {
        canvas_compose(ui->screen.canvas, p.out, p.width, p.height);
    } else {
        image_unref(p.out);
        p.out = NULL;
        err_set(err, p.err.code, "%s", p.err.text);
    }
    for (int i = 0; i < p.count; i++)
        image_unref(p.letters[i].ink);
    free(p.letters);
    return p.out;
}

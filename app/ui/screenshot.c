// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/text.h"
#include "app/ui/screenshot.h"
#include "app/ui/ui_parts.h"
#include "engine/base/mem.h"
#include "loaders/look.h"

enum { OWN_TEXT = 0xE5E5E5, OWN_GROUND = 0x000000 }; // for the terminal's default colours

// A letter, drawn once: a screen has about a hundred different ones in thousands of cells.
struct glyph {
    wchar_t character;
    bool bold;
    struct image *coverage;
};

struct screenshot {
    struct image *out;
    struct look_child *renderer; // draws the letters
    struct err err;              // why the picture cannot be made
    int width, height;           // of a cell
    struct glyph *glyphs;
    int count, capacity;
};

static struct image *
glyph_of(struct screenshot *p, wchar_t c, int cells, bool bold)
{
    char text[8];
    for (int i = 0; i < p->count; i++)
        if (p->glyphs[i].character == c && p->glyphs[i].bold == bold)
            return p->glyphs[i].coverage;
    text[text_put(c, text)] = 0;
    struct glyph l = {c, bold, NULL};
    if (p->err.code == ERR_NONE)
        l.coverage =
            look_child_glyph(p->renderer, text, cells * p->width, p->height, bold, &p->err);
    ARRAY_PUSH(p->glyphs, p->count, p->capacity, l);
    return l.coverage;
}

struct cell_style {
    uint32_t foreground, background;
    bool bold, underline;
};

// The colours and attributes of a cell.
static struct cell_style
style_of_cell(attr_t attributes, int pair)
{
    int fg = -1, bg = -1;
    extended_pair_content(pair, &fg, &bg);
    struct cell_style style = {theme_colour(fg, OWN_TEXT), theme_colour(bg, OWN_GROUND),
                               attributes & A_BOLD, attributes & A_UNDERLINE};
    if (attributes & A_REVERSE) {
        uint32_t kept = style.foreground;
        style.foreground = style.background;
        style.background = kept;
    }
    if (attributes & A_DIM) // halfway to the background, in each channel
        style.foreground =
            ((style.foreground & 0xFEFEFE) >> 1) + ((style.background & 0xFEFEFE) >> 1);
    return style;
}

static void
put_pixel(uint8_t *to, const struct cell_style *style, int part)
{
    for (int c = 0; c < 3; c++) {
        int foreground = style->foreground >> 8 * (2 - c) & 255,
            background = style->background >> 8 * (2 - c) & 255;
        to[c] = (uint8_t)((foreground * part + background * (255 - part) + 127) / 255);
    }
}

static void
put_cell(struct screenshot *p, int row, int column, int cells, wchar_t c,
         const struct cell_style *style)
{
    struct image *glyph = c == L' ' || c == 0xA0 ? NULL : glyph_of(p, c, cells, style->bold);
    int left = column * p->width, line = p->height - MAX(p->height / 10, 1);
    int width = MIN(cells * p->width, p->out->width - left);
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < width; x++) {
            int part = style->underline && y == line ? 255 : glyph ? image_row(glyph, y)[x] : 0;
            put_pixel(image_row(p->out, row * p->height + y) + (size_t)(left + x) * 3, style, part);
        }
}

static void
put_row(struct screenshot *p, int row)
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
        struct cell_style style = style_of_cell(attributes, extended ? extended : pair);
        put_cell(p, row, x, cells, *text ? *text : L' ', &style);
    }
}

struct image *
screenshot_take(const struct ui *ui, struct err *err)
{
    struct screenshot p = {.width = ui->screen.term.cell_width,
                           .height = ui->screen.term.cell_height};
    int y, x;
    p.out = image_create(COLS * p.width, LINES * p.height, IMAGE_RGB8, &p.err);
    p.renderer = look_child_open(NULL);
    getyx(stdscr, y, x);
    for (int row = 0; p.out && row < LINES; row++)
        put_row(&p, row);
    move(y, x);
    look_child_close(p.renderer);
    if (p.err.code == ERR_NONE) {
        canvas_compose(ui->screen.canvas, p.out, p.width, p.height);
    } else {
        image_unref(p.out);
        p.out = NULL;
        err_set(err, p.err.code, "%s", p.err.text);
    }
    for (int i = 0; i < p.count; i++)
        image_unref(p.glyphs[i].coverage);
    free(p.glyphs);
    return p.out;
}

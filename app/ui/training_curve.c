// SPDX-License-Identifier: MIT
// The loss of a training run as a curve in cells: of braille dots, eight per cell; of half blocks
// for fonts without braille; of ASCII; for screen readers as numbers. No terminal reports which
// characters its font has, so `:curve` switches between the first two (docs/ui.md).
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/text.h"
#include "app/library/library.h"
#include "app/ui/entry.h"
#include "app/ui/training.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"

enum { PLACES_MAX = 1024, SMOOTH_STEPS = 50, LABEL_COLUMNS = 8, WORDS_MAX = 8 };

// The dots of a cell: `columns` by `rows`, with a bit for each.
struct dots {
    int columns, rows;
    unsigned char bits[2][4];
    void (*put)(unsigned bits, char *cell); // their character, in UTF-8: at most four bytes
};

static void
put_braille(unsigned bits, char *cell)
{
    text_put((wchar_t)(0x2800 + bits), cell);
}

static void
put_block(unsigned bits, char *cell)
{
    static const char *const blocks[] = {" ", "\u2580", "\u2584", "\u2588"};
    strcpy(cell, blocks[bits & 3]);
}

static void
put_ascii(unsigned bits, char *cell)
{
    static const char *const signs[] = {" ", "'", ".", "|"};
    strcpy(cell, signs[bits & 3]);
}

static const struct dots braille = {
    2, 4, {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}, put_braille};
static const struct dots blocks = {1, 2, {{1, 2}}, put_block};
static const struct dots ascii = {1, 2, {{1, 2}}, put_ascii};

static const struct dots *
dots_for(const struct ui *ui)
{
    if (!draw_unicode())
        return &ascii;
    return draw_has_font() && !training_of(ui)->blocks ? &braille : &blocks;
}

struct curve {
    double means[PLACES_MAX], low, high;
    int count;
};

// The losses of the first steps are far above all others, so the scale leaves them out.
static bool
read_curve(const struct trainlog *log, int places, struct curve *c)
{
    c->low = INFINITY;
    c->high = -INFINITY;
    c->count = trainlog_curve(log, MIN(places, PLACES_MAX), SMOOTH_STEPS, c->means);
    for (int i = c->count > 20 ? c->count / 20 : 0; i < c->count; i++) {
        c->low = MIN(c->low, c->means[i]);
        c->high = MAX(c->high, c->means[i]);
    }
    if (!(c->high > c->low))
        c->high = c->low + 1e-6;
    return c->count > 0;
}

// Draws a line without gaps from the previous dot to this one.
static void
join(unsigned char *cells, int columns, const struct dots *d, int i, int before, int at)
{
    int from = before < 0 ? at : MIN(at, before + (before < at)),
        to = before < 0 ? at : MAX(at, before - (before > at));
    for (int k = MAX(from, 0); k <= to; k++)
        cells[k / d->rows * columns + i / d->columns] |= d->bits[i % d->columns][k % d->rows];
}

static void
draw_line(const struct curve *c, const struct dots *d, const struct area *a)
{
    unsigned char *cells = mem_zalloc((size_t)(a->rows * a->columns));
    int before = -1, last = a->rows * d->rows - 1;
    for (int i = 0; i < c->count; i++) {
        double part = (c->high - MIN(c->means[i], c->high)) / (c->high - c->low);
        int at = (int)lround(MIN(part, 1) * last);
        join(cells, a->columns, d, i, before, at);
        before = at;
    }
    for (int i = 0; i < a->rows * a->columns; i++) {
        char cell[8] = "";
        if (!cells[i])
            continue;
        d->put(cells[i], cell);
        draw_text(a->y + i / a->columns, a->x + i % a->columns, 1, ROLE_CURVE, cell);
    }
    free(cells);
}

static void
draw_axes(const struct curve *c, int64_t steps, const struct area *a)
{
    char last[40];
    int width = snprintf(last, sizeof last, "%" PRId64, steps);
    draw_format(a->y, a->x - LABEL_COLUMNS, LABEL_COLUMNS, ROLE_DIM, "%.4f", c->high);
    draw_format(a->y + a->rows - 1, a->x - LABEL_COLUMNS, LABEL_COLUMNS, ROLE_DIM, "%.4f", c->low);
    draw_text(a->y + a->rows, a->x, a->columns, ROLE_DIM, "step 1");
    draw_text(a->y + a->rows, a->x + a->columns - width, width, ROLE_DIM, last);
}

// A few points of the curve, one line each.
static void
draw_words(const struct trainlog *log, const struct area *a)
{
    struct curve c;
    int lines = MIN(WORDS_MAX, a->rows - 1);
    if (lines < 2 || !read_curve(log, lines, &c))
        return;
    draw_text(a->y, a->x, a->columns, ROLE_DIM, "mean loss");
    for (int i = 0; i < c.count; i++) {
        int64_t step = 1 + (log->step - 1) * i / MAX(c.count - 1, 1);
        draw_format(a->y + 1 + i, a->x, a->columns, ROLE_TEXT, "step %" PRId64 ": %.4f", step,
                    c.means[i]);
    }
}

void
training_draw_curve(const struct ui *ui, const struct trainlog *log, const struct area *a)
{
    const struct dots *d = dots_for(ui);
    struct curve c;
    struct area line = {a->y, a->x + LABEL_COLUMNS, a->rows - 1, a->columns - LABEL_COLUMNS};
    line.columns = MIN(line.columns, PLACES_MAX / d->columns);
    if (line.columns < 4 || line.rows < 2)
        return;
    if (!log->count) {
        draw_text(a->y, a->x, a->columns, ROLE_DIM, "its curve begins with the first step");
    } else if (draw_is_plain()) {
        draw_words(log, a);
    } else if (read_curve(log, line.columns * d->columns, &c)) {
        draw_line(&c, d, &line);
        draw_axes(&c, log->step, &line);
    }
}

void
training_restore_curve(struct ui *ui)
{
    struct library *library = ui_library(ui);
    char *kept = library ? library_get_value(library, "curve", NULL) : NULL;
    training_of(ui)->blocks = kept && strcmp(kept, "blocks") == 0;
    free(kept);
}

void
training_toggle_curve(struct ui *ui)
{
    struct training *t = training_of(ui);
    training_load(ui);
    t->blocks = !t->blocks;
    entry_text(ui, "curve", t->blocks ? "blocks" : "dots");
    ui_say(ui, ROLE_GOOD, t->blocks ? "curves are drawn in blocks, which every font has"
                                    : "curves are drawn in braille dots");
}

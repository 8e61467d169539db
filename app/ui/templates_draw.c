// SPDX-License-Identifier: MIT
// Draws the templates view: the list, the selected template's text, variables and pictures.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/job/template.h"
#include "app/ui/field.h"
#include "app/ui/form.h"
#include "app/ui/templates.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { NAME_COLUMNS = 15, HELP_COLUMNS = 12, LABEL_COLUMNS = 18 };
enum { HELP_ROWS = 30, PICTURE_ROWS = 16 };

static void
draw_list(struct ui *ui, const struct area *a)
{
    struct templates *t = templates_of(ui);
    char title[120];
    snprintf(title, sizeof title, "templates%s%s", *t->filter ? "  /" : "", t->filter);
    draw_heading(a, true, title);
    if (!t->count)
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM,
                  *t->filter ? "none matches" : "n creates one");
    t->list = (struct area){a->y + 1, a->x, a->rows - 1, a->columns};
    t->top = draw_scroll(t->count, t->selected, t->list.rows, t->top);
    for (int row = 0; row < t->list.rows && t->top + row < t->count; row++) {
        const struct template_entry *e = &t->entries[t->top + row];
        bool here = t->top + row == t->selected;
        struct area line = {t->list.y + row, a->x, 1, a->columns};
        enum role role = here ? ROLE_SELECTION : *e->fault ? ROLE_FAULT : ROLE_TEXT;
        if (here)
            draw_fill(&line, role);
        draw_text(line.y, a->x + 1, a->columns - 2, role, e->stem);
    }
}

static int
put_wrapped(const struct area *a, int y, enum role role, const char *text)
{
    struct field_line lines[16];
    int rows = MIN(field_wrap(text, MAX(1, a->columns), lines, 16), a->y + a->rows - y);
    struct area here = {y, a->x, MAX(rows, 0), a->columns};
    draw_wrapped(&here, role, text);
    return y + MAX(rows, 0);
}

// For screen readers: one line each.
static void
draw_pictures_plainly(const struct template *t, const struct area *a)
{
    for (int i = 0; i < MIN(t->reference_count, a->rows); i++) {
        const struct template_reference *r = &t->references[i];
        const struct job_reference named = {.use = r->use, .marker = r->marker};
        char label[JOB_KEY_TEXT], *file = template_image(t, r, NULL);
        const char *slash = file ? strrchr(file, '/') : NULL;
        job_reference_label(&named, label);
        draw_format(a->y + i, a->x, a->columns, ROLE_DIM, "%s%s%s: %s", label,
                    r->loader ? " through " : "", r->loader ? r->loader : "",
                    slash ? slash + 1 : file ? file : "your picture");
        free(file);
    }
}

static void
draw_reference(struct ui *ui, const struct template *t, int i, const struct area *tile)
{
    const struct template_reference *r = &t->references[i];
    struct area picture = {tile->y, tile->x, tile->rows - 1, tile->columns};
    char *file = template_image(t, r, NULL);
    const struct job_reference named = {.use = r->use, .marker = r->marker};
    char label[JOB_KEY_TEXT];
    job_reference_label(&named, label);
    char caption[JOB_KEY_TEXT + 80];
    snprintf(caption, sizeof caption, "%s%s%.60s", label, r->loader ? " " : "",
             r->loader ? r->loader : "");
    draw_caption(tile->y + tile->rows - 1, tile->x, tile->columns, ROLE_DIM, caption);
    if (file)
        draw_file(ui, SLOT_GRID + i, &picture, file);
    else
        draw_text(tile->y, tile->x, tile->columns, ROLE_DIM, "your picture");
    free(file);
}

// The template's pictures, and an example of what it draws. Their places are the same for all
// templates of the list, so that moving the selection sends pictures but no cells under them.
static void
draw_pictures(struct ui *ui, const struct template_entry *e, const struct template *shown,
              int tiles, const struct area *a)
{
    if (draw_is_plain()) {
        draw_pictures_plainly(shown, a);
        return;
    }
    if (!tiles || a->rows < 3)
        return;
    int count = shown->reference_count;
    int width = MIN(a->columns / tiles, MAX(a->rows * 5 / 2, LABEL_COLUMNS));
    int high = MIN(a->rows, draw_square_rows(ui, width - 1) + 1);
    struct area tile = {a->y, a->x, high, width - 1};
    draw_reserve(&(struct area){a->y, a->x, high - 1, tiles * width - 1});
    for (int i = 0; i < count && width > 4 && SLOT_GRID + i < CANVAS_SLOTS; i++, tile.x += width)
        draw_reference(ui, shown, i, &tile);
    if (!e->result || width <= 4 || SLOT_GRID + count >= CANVAS_SLOTS)
        return;
    draw_caption(tile.y + tile.rows - 1, tile.x, tile.columns, ROLE_GOOD, "what it draws");
    tile.rows--;
    draw_file(ui, SLOT_GRID + count, &tile, e->result);
}

static int
rows_of(const char *text, int columns)
{
    struct field_line lines[16];
    return text ? field_wrap(text, MAX(1, columns), lines, 16) : 0;
}

// Columns of the variables' values, and of their help texts.
static int
value_columns(const struct template *t, int columns, int *help)
{
    int value = 0;
    for (int i = 0; i < t->variable_count; i++)
        if (t->variables[i].value)
            value = MAX(value, text_width(t->variables[i].value, SIZE_MAX));
    value = MIN(value, MAX(columns / 2 - NAME_COLUMNS, 8));
    *help = columns - NAME_COLUMNS - value - 2;
    return value;
}

// Rows of a variable: its help text is wrapped where that leaves room for pictures.
static int
variable_rows(const struct template_variable *v, int help, int rows)
{
    return help < HELP_COLUMNS || rows < HELP_ROWS ? 1 : MAX(1, rows_of(v->help, help));
}

// The most rows of text, and (in *tiles) the most pictures, of all listed templates.
static int
measure(const struct templates *t, const struct area *a, int *tiles)
{
    int rows = 0;
    *tiles = 0;
    for (int i = 0; i < t->count; i++) {
        const struct template *one = &t->entries[i].template;
        if (*t->entries[i].fault)
            continue;
        int high = rows_of(one->summary, a->columns) + rows_of(one->text, a->columns) + 2, help;
        value_columns(one, a->columns, &help);
        for (int j = 0; j < one->variable_count; j++)
            high += variable_rows(&one->variables[j], help, a->rows);
        rows = MAX(rows, high);
        *tiles = MAX(*tiles, one->reference_count + (t->entries[i].result != NULL));
    }
    return rows;
}

// Names, values and help texts, in columns; returns the next free line.
static int
draw_variables(const struct template *t, const struct area *a, int y)
{
    int help, value = value_columns(t, a->columns, &help);
    for (int i = 0; i < t->variable_count && y < a->y + a->rows; i++) {
        const struct template_variable *v = &t->variables[i];
        int rows = MIN(variable_rows(v, help, a->rows), a->y + a->rows - y);
        struct area words = {y, a->x + a->columns - help, rows, help};
        draw_text(y, a->x, NAME_COLUMNS - 1, ROLE_MARKER, v->name);
        draw_text(y, a->x + NAME_COLUMNS, value, ROLE_TEXT, v->value ? v->value : "\u2026");
        if (rows > 1)
            draw_wrapped(&words, ROLE_DIM, v->help);
        else
            draw_text(y, words.x, help, ROLE_DIM, v->help ? v->help : "");
        y += rows;
    }
    return y;
}

void
templates_draw(struct ui *ui, const struct area *a)
{
    int left = MIN(MAX(a->columns / 4, 18), 32);
    struct area list, right;
    const struct template_entry *e = templates_chosen(ui);
    draw_split(a, left, &list, &right);
    draw_list(ui, &list);
    struct area head = {right.y, right.x, 1, right.columns};
    draw_heading(&head, false, e ? e->stem : "template");
    struct area text = {right.y + 1, right.x + 1, right.rows - 1, right.columns - 2};
    if (!e)
        return;
    if (*e->fault) {
        put_wrapped(&text, text.y, ROLE_ERROR, e->fault);
        return;
    }
    const struct templates *all = templates_of(ui);
    bool filled = all->filled_form && form_serial(ui) == all->filled_form;
    const struct template *t = filled ? &all->filled : &e->template;
    char *sentence = form_is_open(ui) ? template_fill(t, t->text, 0, 0, NULL) : NULL;
    int tiles, words = measure(all, &text, &tiles);
    int y = put_wrapped(&text, text.y, ROLE_DIM, t->summary ? t->summary : "") + 1;
    y = put_wrapped(&text, y, ROLE_TEXT, sentence ? sentence : t->text) + 1;
    y = MAX(draw_variables(t, &text, y), text.y + MIN(words, text.rows - PICTURE_ROWS / 2));
    int bottom = MIN(text.y + text.rows, form_top(ui));
    int rows = MIN(bottom - y - 1, MAX(PICTURE_ROWS, text.rows / 2));
    struct area pictures = {y + 1, text.x, rows, text.columns};
    draw_pictures(ui, e, t, tiles, &pictures);
    free(sentence);
}

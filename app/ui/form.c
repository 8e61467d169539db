// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/ui_parts.h"
#include "engine/base/mem.h"

struct form *
form_new(const char *title)
{
    struct form *f = mem_zalloc(sizeof *f);
    f->title = mem_strdup(title);
    return f;
}

struct form_field *
form_add(struct form *f, enum field_kind kind, const char *id, const char *label,
         const char *value, const char *help)
{
    static struct form_field spare; // for fields that a full form ignores
    if (f->count == FORM_FIELDS_MAX)
        return &spare;
    struct form_field *field = &f->fields[f->count++];
    *field = (struct form_field){.kind = kind, .id = mem_strdup(id), .label = mem_strdup(label),
                                 .value = mem_strdup(value ? value : ""),
                                 .help = mem_strdup(help ? help : ""), .minimum = 1, .maximum = 0};
    return field;
}

struct form_field *
form_add_file(struct form *f, const char *const *suffixes, const char *folder, const char *id,
              const char *label, const char *value, const char *help)
{
    struct form_field *d = form_add(f, FIELD_TEXT, id, label, value, help);
    d->files = suffixes;
    d->folder = folder ? mem_strdup(folder) : NULL;
    return d;
}

static void
free_choices(struct form_field *d)
{
    for (int k = 0; d->choices && d->choices[k]; k++)
        free(d->choices[k]);
    free(d->choices);
    d->choices = NULL;
}

void
form_choices(struct form_field *field, const char *const *choices)
{
    int count = 0, capacity = 0;
    free_choices(field);
    for (int i = 0; choices[i]; i++)
        ARRAY_PUSH(field->choices, count, capacity, mem_strdup(choices[i]));
    ARRAY_PUSH(field->choices, count, capacity, NULL);
}

const char *
form_value(const struct form *f, const char *id)
{
    for (int i = 0; i < f->count; i++)
        if (strcmp(f->fields[i].id, id) == 0)
            return f->fields[i].value;
    return "";
}

const char *
form_typed_value(const struct form *f, const char *id)
{
    bool here = f->editing && strcmp(f->fields[f->selected].id, id) == 0;
    return here ? f->edit.text : form_value(f, id);
}

bool
form_select(struct form *f, const char *id)
{
    for (int i = 0; i < f->count; i++)
        if (strcmp(f->fields[i].id, id) == 0) {
            f->selected = i;
            return true;
        }
    return false;
}

void
form_free(struct form *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->count; i++) {
        struct form_field *d = &f->fields[i];
        free(d->id);
        free(d->label);
        free(d->help);
        free(d->value);
        free(d->folder);
        free(d->default_text);
        free_choices(d);
    }
    field_finish(&f->edit);
    form_browse_end(f);
    free(f->title);
    free(f);
}

void
form_open(struct ui *ui, struct form *f)
{
    form_free(ui->dialogue.form);
    f->serial = ++ui->dialogue.forms;
    ui->dialogue.form = f;
    ui->dirty = true;
}

void
form_close(struct ui *ui, bool accepted)
{
    struct form *f = ui->dialogue.form;
    ui->dialogue.form = NULL;
    ui->dirty = true;
    if (f && f->done && !f->done(ui, f, accepted) && accepted && !ui->dialogue.form)
        ui->dialogue.form = f;
    else
        form_free(f);
}

bool
form_is_open(const struct ui *ui)
{
    return ui->dialogue.form != NULL;
}

struct form *
form_current(const struct ui *ui)
{
    return ui->dialogue.form;
}

int
form_serial(const struct ui *ui)
{
    return ui->dialogue.form ? ui->dialogue.form->serial : 0;
}

// --- drawing

// The frame's line above the fields; below them an empty line, two of help, the keys, the frame's
// line.
enum { FRAME_ROWS = 6 };

static struct area
form_area(const struct form *f)
{
    int label = 8, value = 20;
    for (int i = 0; i < f->count; i++) {
        label = MAX(label, text_width(f->fields[i].label, SIZE_MAX));
        value = MAX(value, text_width(f->fields[i].value, SIZE_MAX));
    }
    int room = f->half_width ? COLS / 2 : COLS - 4;
    int columns = MIN(MAX(label + value + 8, 72), MAX(room, 32));
    int rows = MIN(f->count + FRAME_ROWS, LINES - 3), y = MAX(1, LINES - 2 - rows);
    if (draw_is_plain()) // nothing of the view beside it in the same line
        return (struct area){y, 0, rows, COLS};
    return (struct area){y, f->half_width ? 1 : MAX(0, (COLS - columns) / 2), rows,
                         MIN(columns, COLS)};
}

int
form_top(const struct ui *ui)
{
    return ui->dialogue.form ? form_area(ui->dialogue.form).y : LINES;
}

static bool
is_cyclic(const struct form_field *d)
{
    return d->kind == FIELD_CHOICE || d->kind == FIELD_BOOL;
}

// The keys for the selected field.
static const char *
key_hint(const struct form *f, int columns)
{
    const struct form_field *d = &f->fields[f->selected];
    if (f->editing)
        return "Enter or Tab accepts   Esc discards";
    if (!f->count)
        return "Enter OK   Esc cancel";
    if (d->files)
        return columns < 52 ? "Space: files   Enter OK   Esc cancel"
                            : "Space chooses a file   or type   Enter OK   Esc cancel";
    return is_cyclic(d)            ? "< > change   Enter OK   Esc cancel"
           : columns < 47          ? "type a value   Enter OK   Esc cancel"
           : d->kind == FIELD_TEXT ? "type, or Right to edit   Enter OK   Esc cancel"
                                   : "type, or < >   Enter OK   Esc cancel";
}

static void
draw_value(const struct form_field *d, bool here, int y, int x, int columns)
{
    char path[4200];
    const char *value = d->kind == FIELD_BOOL     ? strcmp(d->value, "1") == 0 ? "yes" : "no"
                        : *d->value             ? d->value
                        : d->kind == FIELD_TEXT ? "(empty)"
                                                : "(not set)";
    if (d->files && *d->value) { // the end of a path tells more
        draw_short_path(d->value, columns, path, sizeof path);
        value = path;
    }
    bool left_open = d->default_text && (!*d->value || strcmp(d->value, "auto") == 0);
    draw_format(y, x, columns, here ? ROLE_SELECTION : ROLE_POPUP, "%s%s%s%s%s%s",
                here && is_cyclic(d) ? "< " : "", left_open ? "auto" : value, left_open ? " (" : "",
                left_open ? d->default_text : "", left_open ? ")" : "",
                here && is_cyclic(d) ? " >" : "");
}

void
form_draw(struct ui *ui)
{
    struct form *f = ui->dialogue.form;
    struct area a = form_area(f), inner = {a.y + 1, a.x + 1, a.rows - 2, a.columns - 2};
    struct area edited = {0};
    int label = 8, rows = a.rows - FRAME_ROWS;
    for (int i = 0; i < f->count; i++)
        label = MAX(label, text_width(f->fields[i].label, SIZE_MAX));
    label = MIN(label, a.columns / 2);
    draw_fill(&inner, ROLE_POPUP);
    draw_box(&a, f->title);
    f->top = draw_scroll(f->count, f->selected, rows, f->top);
    f->lines = (struct area){a.y + 1, a.x, rows, a.columns};
    for (int row = 0; row < rows && f->top + row < f->count; row++) {
        int i = f->top + row, y = a.y + 1 + row, x = a.x + label + 4, width = a.columns - label - 6;
        const struct form_field *d = &f->fields[i];
        bool here = i == f->selected;
        draw_text(y, a.x + 2, label, here ? ROLE_SELECTION : ROLE_POPUP, d->label);
        if (here && f->editing)
            edited = (struct area){y, x, 1, width};
        else
            draw_value(d, here, y, x, width);
    }
    const struct form_field *d = f->count ? &f->fields[f->selected] : NULL;
    char range[80] = "";
    if (d && d->minimum <= d->maximum)
        snprintf(range, sizeof range, " (%.16g..%.16g)", d->minimum, d->maximum);
    struct area help = {a.y + a.rows - 4, a.x + 2, 2, a.columns - 4};
    char text[600];
    snprintf(text, sizeof text, "%s%s", d ? d->help : "", range);
    draw_wrapped(&help, ROLE_POPUP, text);
    draw_text(a.y + a.rows - 2, a.x + 2, a.columns - 4, ROLE_POPUP, key_hint(f, a.columns - 4));
    if (edited.rows) // last, so that the cursor stays there
        draw_field(&edited, &f->edit);
    struct canvas_rect cover = {a.y, a.x, a.rows, a.columns};
    if (ui->screen.canvas)
        canvas_cover(ui->screen.canvas, &cover, 1);
}

// --- keys

static bool
accept_value(struct ui *ui, struct form *f, const char *text)
{
    struct form_field *d = &f->fields[f->selected];
    if ((d->kind == FIELD_INT || d->kind == FIELD_FLOAT) && *text) {
        char *end;
        double v = strtod(text, &end);
        bool whole = d->kind == FIELD_FLOAT || v == floor(v);
        if (*end || !whole || (d->minimum <= d->maximum && !(v >= d->minimum && v <= d->maximum))) {
            ui_say(ui, ROLE_ERROR, "%s is '%s', but must be a %s in %.16g..%.16g", d->label, text,
                   d->kind == FIELD_INT ? "whole number" : "number", d->minimum, d->maximum);
            return false;
        }
    }
    free(d->value);
    d->value = mem_strdup(text);
    if (f->changed)
        f->changed(ui, f, f->selected);
    return true;
}

void
form_set(struct ui *ui, struct form *f, const char *value)
{
    accept_value(ui, f, value);
}

// 1, 2 or 5 times a power of ten, near a twentieth of the range.
static double
step_of(const struct form_field *d)
{
    double about = (d->maximum - d->minimum) / 20, unit = pow(10, floor(log10(about)));
    double times = about / unit;
    return unit * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

static void
cycle_value(struct ui *ui, struct form *f, int by)
{
    struct form_field *d = &f->fields[f->selected];
    char text[64];
    if (d->kind == FIELD_CHOICE && d->choices) {
        int count = 0, at = 0;
        for (; d->choices[count]; count++)
            if (strcmp(d->choices[count], d->value) == 0)
                at = count;
        if (count)
            accept_value(ui, f, d->choices[(at + by + count) % count]);
    } else if (d->kind == FIELD_BOOL) {
        accept_value(ui, f, strcmp(d->value, "1") == 0 ? "0" : "1");
    } else if (d->kind != FIELD_TEXT && d->minimum < d->maximum) {
        double step = d->kind == FIELD_INT ? 1 : step_of(d);
        double v = (floor(strtod(d->value, NULL) / step + 0.5) + by) * step;
        snprintf(text, sizeof text, "%.6g", MIN(MAX(v, d->minimum), d->maximum));
        accept_value(ui, f, text);
    }
}

void
form_edit(struct form *f, const char *text, size_t cursor)
{
    f->editing = true;
    f->edit.limit = 4096;
    field_set(&f->edit, text);
    f->edit.cursor = MIN(cursor, strlen(f->edit.text));
}

static void
start_editing(struct form *f)
{
    form_edit(f, f->fields[f->selected].value, SIZE_MAX);
}

static void
move_by(struct form *f, int by)
{
    f->selected = MAX(0, MIN(f->selected + by, f->count - 1));
}

// By how many fields a key moves on from the edited one; 0: it is not such a key.
static int
field_step(wint_t key, bool code)
{
    if (code)
        return key == KEY_DOWN ? 1 : key == KEY_UP || key == KEY_BTAB ? -1 : 0;
    return key == '\t' ? 1 : 0;
}

static void
notify_typed(struct ui *ui, struct form *f)
{
    if (f->typed)
        f->typed(ui, f);
}

static void
edit_key(struct ui *ui, struct form *f, wint_t key, bool code, enum request request)
{
    bool is_enter = code ? key == KEY_ENTER : key == '\r' || key == '\n';
    int by = field_step(key, code);
    if (is_enter || by || request == REQUEST_DRAW) {
        if (!accept_value(ui, f, f->edit.text))
            return;
        f->editing = false;
        move_by(f, by);
        if (request == REQUEST_DRAW)
            form_close(ui, true);
    } else if (!code && key == 27) {
        f->editing = false;
        notify_typed(ui, f);
    } else {
        field_key(&f->edit, key, code);
        notify_typed(ui, f);
    }
}

void
form_paste(struct ui *ui, const char *text)
{
    struct form *f = ui->dialogue.form;
    if (!f->count || f->browser || is_cyclic(&f->fields[f->selected]))
        return;
    if (!f->editing)
        start_editing(f);
    field_insert(&f->edit, text);
    notify_typed(ui, f);
}

// A character starts a new value; Backspace and, in a text, the arrows edit the old one. False: the
// key does neither.
static bool
begin_editing(struct ui *ui, struct form *f, wint_t key, bool code, enum request request)
{
    const struct form_field *d = &f->fields[f->selected];
    bool back = code ? key == KEY_BACKSPACE : key == 127 || key == 8;
    bool arrow = d->kind == FIELD_TEXT && (request == REQUEST_LEFT || request == REQUEST_RIGHT);
    bool character = !code && key > 32 && key != 127;
    if (!f->count || is_cyclic(d) || !(back || arrow || character))
        return false;
    start_editing(f);
    if (character)
        field_set(&f->edit, "");
    if (!arrow || character)
        field_key(&f->edit, key, code);
    notify_typed(ui, f);
    return true;
}

static void
cycle_or_browse(struct ui *ui, struct form *f)
{
    if (f->count && f->fields[f->selected].files)
        form_browse(ui, f);
    else if (f->count)
        cycle_value(ui, f, 1);
}

void
form_key(struct ui *ui, wint_t key, bool code, enum request request)
{
    struct form *f = ui->dialogue.form;
    ui->dirty = true;
    if (f->browser) {
        form_browse_key(ui, f, key, code);
        return;
    }
    if (f->editing) {
        edit_key(ui, f, key, code, request);
        return;
    }
    if (begin_editing(ui, f, key, code, request))
        return;
    if (key == ' ' && !code) {
        cycle_or_browse(ui, f);
        return;
    }
    switch (request) {
    case REQUEST_UP:
    case REQUEST_PREVIOUS_PANE: move_by(f, -1); break;
    case REQUEST_DOWN:
    case REQUEST_NEXT_PANE: move_by(f, 1); break;
    case REQUEST_PAGE_UP:
    case REQUEST_FIRST: f->selected = 0; break;
    case REQUEST_PAGE_DOWN:
    case REQUEST_LAST: f->selected = MAX(f->count - 1, 0); break;
    case REQUEST_LEFT:
    case REQUEST_EARLIER: cycle_value(ui, f, -1); break;
    case REQUEST_RIGHT:
    case REQUEST_LATER: cycle_value(ui, f, 1); break;
    case REQUEST_ENTER:
    case REQUEST_DRAW: form_close(ui, true); break;
    case REQUEST_BACK:
    case REQUEST_QUIT: form_close(ui, false); break;
    default: break;
    }
}

void
form_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    struct form *f = ui->dialogue.form;
    ui->dirty = true;
    if (f->browser) {
        form_browse_mouse(ui, f, y, x, turn, double_click);
        return;
    }
    bool inside = y >= f->lines.y && y < f->lines.y + f->lines.rows && x >= f->lines.x &&
                  x < f->lines.x + f->lines.columns && f->top + y - f->lines.y < f->count;
    if (f->editing) // as with Tab, the edited value is accepted first
        edit_key(ui, f, KEY_ENTER, true, REQUEST_NONE);
    if (f->editing || !(inside || turn))
        return;
    if (turn)
        move_by(f, turn);
    else
        f->selected = f->top + y - f->lines.y;
    if (double_click)
        cycle_or_browse(ui, f);
}

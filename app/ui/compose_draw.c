// SPDX-License-Identifier: MIT
// Drawing the composer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/job/parameters.h"
#include "app/ui/browser.h"
#include "app/ui/compose.h"
#include "app/ui/field.h"
#include "app/ui/files.h"
#include "app/ui/form.h"
#include "app/ui/painter.h"
#include "app/ui/session.h"
#include "engine/base/mem.h"

enum { FAULT_ROWS = 3, PARAMETER_ROWS = 3 };

static void
draw_references(struct ui *ui, const struct area *a)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    const struct job *j = &session->job;
    draw_heading(a, c->pane == PANE_REFERENCES, "references");
    c->references = (struct area){a->y + 1, a->x, a->rows - 1, a->columns};
    c->reference = MAX(0, MIN(c->reference, j->reference_count - 1));
    c->top = draw_scroll(j->reference_count, c->reference, a->rows - 1, c->top);
    if (!j->reference_count && c->pane == PANE_REFERENCES)
        draw_read_from(a->y + 1, a->x + 1);
    if (!j->reference_count)
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM,
                  "select a picture and press a to add it");
    for (int row = 0; row < a->rows - 1 && c->top + row < j->reference_count; row++) {
        const struct job_reference *r = &j->references[c->top + row];
        bool here = c->top + row == c->reference;
        enum role role = !here                        ? ROLE_TEXT
                         : c->pane == PANE_REFERENCES ? ROLE_SELECTION
                                                      : ROLE_SELECTED;
        struct area line = {a->y + 1 + row, a->x, 1, a->columns};
        char marker[JOB_KEY_TEXT];
        job_reference_label(r, marker);
        bool used = r->use != JOB_REFERENCE || strstr(session->text.text, marker);
        bool looked_up = !used && r->retrieved; // retrieved, but no longer mentioned: left out
        role = looked_up && !here ? ROLE_DIM : role;
        if (here)
            draw_fill(&line, role);
        draw_text(line.y, a->x + 1, 9,
                  looked_up ? role
                  : !used   ? ROLE_FAULT
                  : here    ? role
                            : ROLE_MARKER,
                  marker);
        const char *slash = r->file ? strrchr(r->file, '/') : NULL;
        const struct jv *l = compose_loader_json(ui, r->loader);
        const char *words = r->words       ? r->words
                            : r->loader && l ? jv_string(jv_get(l, "role"), "image")
                                           : "image";
        draw_format(line.y, a->x + 10, a->columns - 11, role, "%s  %s%s  %s", words,
                    r->loader ? "through " : "unchanged", r->loader ? r->loader : "",
                    slash ? slash + 1 : r->file ? r->file : "");
    }
}

static void
draw_outputs(struct ui *ui, const struct area *a)
{
    struct compose *c = compose_of(ui);
    struct job_reference *r = compose_chosen(ui);
    compose_request_output(ui);
    if (r && draw_is_plain() && *c->output_error)
        draw_wrapped(a, ROLE_WARNING, c->output_error);
    if (!r || a->rows < 3 || draw_is_plain())
        return;
    // Side by side, or one above the other in a tall area.
    int width, height;
    draw_cell(ui, &width, &height);
    bool beside = a->columns * width > a->rows * height;
    struct area first = *a, second = *a;
    if (beside) {
        first.columns = a->columns / 2 - 1;
        second.x += a->columns / 2;
        second.columns = first.columns; // the same size
    } else {
        first.rows = a->rows / 2;
        second.y += a->rows / 2;
        second.rows = a->rows - a->rows / 2;
    }
    draw_text(first.y, first.x, first.columns, ROLE_DIM, "before");
    draw_format(second.y, second.x, second.columns, ROLE_DIM, "%s%s",
                r->loader ? r->loader : "as the model sees it", c->waiting ? " \u2026" : "");
    first.y++, second.y++;
    first.rows = MIN(first.rows - 1, draw_square_rows(ui, first.columns)); // right below its label
    second.rows = MIN(second.rows - 1, draw_square_rows(ui, second.columns));
    if (r->embedded || !r->file)
        draw_text(first.y, first.x, first.columns, ROLE_DIM,
                  "kept in the picture it came from");
    else
        draw_file(ui, SLOT_BEFORE, &first, r->file);
    if (*c->output_error)
        draw_wrapped(&second, ROLE_WARNING, c->output_error);
    else if (c->after)
        draw_picture(ui, SLOT_AFTER, &second, c->after, false);
}

// Appends "name value". In a full row, one left to limn (NULL) is omitted; others begin a new row.
static void
put_parameter(char *out, size_t size, int columns, const char *name, const char *value)
{
    enum { VALUE_CELLS = 32 };
    char more[200];
    const char *text = value ? value : "auto";
    struct field_line line; // of a long value, its beginning
    size_t n = strlen(out);
    const char *row = strrchr(out, '\n');
    int used = text_width(row ? row + 1 : out, SIZE_MAX);
    field_wrap(text, VALUE_CELLS, &line, 1);
    snprintf(more, sizeof more, "%.*s%s", (int)line.length, text,
             line.length < strlen(text) ? "\u2026" : "");
    bool fits = used + 3 + text_width(name, SIZE_MAX) + text_width(more, SIZE_MAX) <= columns;
    if (value || fits)
        snprintf(out + n, size - n, "%s%s %s", !n ? "" : fits ? "  " : "\n", name, more);
}

// First the common ones, then whatever else is set.
static void
parameters_line(const struct ui *ui, int columns, char *out, size_t size)
{
    static const char *const common[] = {"seed", "steps", "guidance", "scale", "sampler", "count",
                                         "model", "device"};
    const struct job *j = &session_of(ui)->job;
    char steps[16], guidance[80], count[16];
    char *seed = parameter_text(parameter_find("seed"), j);
    const char *model = j->model ? j->model : "", *slash = strrchr(model, '/');
    snprintf(steps, sizeof steps, "%d", j->steps);
    snprintf(count, sizeof count, "%d", MAX(j->count, 1));
    snprintf(guidance, sizeof guidance, "%s", j->guidance ? j->guidance : "");
    if (j->scale >= 0)
        snprintf(guidance + strlen(guidance), sizeof guidance - strlen(guidance), "%s%g",
                 j->guidance ? " " : "", j->scale);
    *out = 0;
    put_parameter(out, size, columns, "seed", seed ? seed : "new");
    free(seed);
    put_parameter(out, size, columns, "steps", j->steps ? steps : NULL);
    put_parameter(out, size, columns, "guidance", *guidance ? guidance : NULL);
    if (j->sampler)
        put_parameter(out, size, columns, "sampler", j->sampler);
    put_parameter(out, size, columns, "pictures", count);
    put_parameter(out, size, columns, "model", *model ? slash ? slash + 1 : model : NULL);
    put_parameter(out, size, columns, "device", j->device);
    for (const struct parameter *p = parameters; p->name; p++) {
        bool shown = false;
        for (size_t i = 0; i < COUNT_OF(common); i++)
            shown = shown || strcmp(p->name, common[i]) == 0;
        char *value = shown ? NULL : parameter_text(p, j);
        if (value)
            put_parameter(out, size, columns, p->label, value);
        free(value);
    }
}

// What an empty composer shows: how to begin and, before the first drawing, what limn is.
static const char *
placeholder_text(const struct compose *c)
{
    if (!c->first_run)
        return "Press i and write, for example: Draw [ref#1] in the style of [ref#2]: a hat";
    return "limn makes pictures from a sentence and the pictures that it refers to.\n"
           "F9 draws a sample now. 4 has templates: F9 draws one, Enter fills it in.\n"
           "Press i and write, for example: Draw [ref#1] in the style of [ref#2]: a hat\n"
           "? shows help, q quits.";
}

// As many lines as the text has, and an empty one to continue in; the rest is for pictures.
static int
rows_of_text(const char *text, int columns, int rows)
{
    struct field_line lines[16];
    int count = field_wrap(text, MAX(columns, 1), lines, 16);
    return MAX(3, MIN(count + 1, MIN(rows / 3, 12)));
}

void
compose_draw(struct ui *ui, const struct area *a)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    if (painter_is_open(ui)) {
        compose_request_output(ui);
        painter_draw(ui, a);
        return;
    }
    int left = MIN(MAX(a->columns / 4, 20), 44), text_rows;
    bool welcome = !*session->text.text && c->pane != PANE_TEXT;
    struct area files, right;
    draw_split(a, left, &files, &right);
    text_rows = rows_of_text(welcome ? placeholder_text(c) : session->text.text, right.columns - 2,
                             a->rows);
    c->pane_of_files = files;
    c->files = files_draw(ui, &c->browser, c->pane == PANE_FILES, &files);
    struct area text = {right.y + 1, right.x + 1, text_rows, right.columns - 2};
    struct area head = {right.y, right.x, 1, right.columns};
    draw_heading(&head, c->pane == PANE_TEXT, "instruction");
    c->text = text;
    int y = text.y + text_rows;
    if (welcome)
        draw_wrapped(&text, ROLE_DIM, placeholder_text(c));
    struct field_line lines[FAULT_ROWS];
    struct area fault = {y, right.x + 1, 1, right.columns - 2};
    fault.rows = MAX(1, field_wrap(session->fault, MAX(fault.columns, 1), lines, FAULT_ROWS));
    draw_wrapped(&fault, ROLE_FAULT, session->fault);
    y += fault.rows;
    char line[800];
    parameters_line(ui, right.columns - 2, line, sizeof line);
    struct area set = {y, right.x + 1, 1, right.columns - 2};
    set.rows = field_wrap(line, MAX(set.columns, 1), lines, PARAMETER_ROWS);
    draw_wrapped(&set, ROLE_DIM, line);
    y += set.rows;
    int reference_rows = MIN(MAX(session->job.reference_count, 1) + 1, MAX(3, a->rows / 4));
    struct area references = {y, right.x, reference_rows, right.columns};
    draw_references(ui, &references);
    y += reference_rows;
    struct area outputs = {y, right.x + 1, right.y + right.rows - y, right.columns - 2};
    draw_outputs(ui, &outputs);
    draw_instruction(ui, &text, session->text.text,
                     c->pane == PANE_TEXT && !form_is_open(ui) ? session->text.cursor : SIZE_MAX);
}

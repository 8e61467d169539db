// SPDX-License-Identifier: MIT
// A training on the screen: the loss as a curve in cells, the loss by task, the sheets.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/ui/field.h"
#include "app/ui/training.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"

enum { CURVE_COLUMNS_MAX = 1024, SMOOTH_STEPS = 50 };
#define ASK_SECONDS 2.0 // between questions how the worker's trainings are

// One cell of braille: dots of its two columns, four rows each, from the top.
static void
put_dots(int y, int x, unsigned dots, bool unicode)
{
    char cell[5];
    if (unicode) {
        unsigned c = 0x2800 + dots;
        snprintf(cell, sizeof cell, "%c%c%c", (char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
                 (char)(0x80 | (c & 63)));
    } else {
        unsigned upper = dots & (0x01 | 0x02 | 0x08 | 0x10),
                 lower = dots & (0x04 | 0x40 | 0x20 | 0x80);
        snprintf(cell, sizeof cell, "%s", upper && lower ? "|" : upper ? "'" : ".");
    }
    draw_text(y, x, 1, ROLE_CURVE, cell);
}

static void
draw_curve(const struct ui *ui, const struct trainlog *log, const struct area *a)
{
    static const unsigned char bits[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};
    double means[CURVE_COLUMNS_MAX], low = INFINITY, high = -INFINITY;
    int label = 8, columns = MIN(a->columns - label, CURVE_COLUMNS_MAX / 2), rows = a->rows - 1;
    if (columns < 4 || rows < 2)
        return;
    int count = trainlog_curve(log, columns * 2, SMOOTH_STEPS, means);
    if (!count) {
        draw_text(a->y, a->x, a->columns, ROLE_DIM, "its curve begins with the first step");
        return;
    }
    // The first steps of a training are far above all others: the scale is that of the rest.
    for (int i = count > 20 ? count / 20 : 0; i < count; i++) {
        low = MIN(low, means[i]);
        high = MAX(high, means[i]);
    }
    if (!(high > low))
        high = low + 1e-6;
    unsigned char *dots = mem_zalloc((size_t)(rows * columns));
    int before = -1;
    for (int i = 0; i < count; i++) {
        int at = (int)lround((high - MIN(means[i], high)) / (high - low) * (rows * 4 - 1));
        // From the one before to this: a line without gaps.
        int from = before < 0 ? at : MIN(at, before + (before < at)),
            to = before < 0 ? at : MAX(at, before - (before > at));
        for (int k = MAX(from, 0); k <= to && k < rows * 4; k++)
            dots[k / 4 * columns + i / 2] |= bits[i % 2][k % 4];
        before = at;
    }
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++)
            if (dots[y * columns + x])
                put_dots(a->y + y, a->x + label + x, dots[y * columns + x], draw_has_font());
    free(dots);
    draw_format(a->y, a->x, label, ROLE_DIM, "%.4f", high);
    draw_format(a->y + rows - 1, a->x, label, ROLE_DIM, "%.4f", low);
    draw_format(a->y + rows, a->x + label, columns, ROLE_DIM, "step 1");
    char last[40];
    snprintf(last, sizeof last, "%" PRId64, log->step);
    draw_text(a->y + rows, a->x + label + columns - (int)strlen(last), (int)strlen(last), ROLE_DIM,
              last);
}

static void
draw_tasks(const struct trainlog *log, const struct area *a)
{
    if (log->task_count)
        draw_text(a->y, a->x, a->columns, ROLE_DIM, "recent loss by task");
    double most = 1e-9;
    for (int i = 0; i < log->task_count; i++)
        most = MAX(most, log->tasks[i].loss);
    for (int i = 0; i < log->task_count && i + 1 < a->rows; i++) {
        const struct trainlog_task *t = &log->tasks[i];
        draw_text(a->y + 1 + i, a->x, 16, ROLE_TEXT, t->name);
        draw_format(a->y + 1 + i, a->x + 17, 8, ROLE_TEXT, "%.4f", t->loss);
        struct area bar = {a->y + 1 + i, a->x + 25, 1,
                           (int)lround((a->columns - 26) * t->loss / most)};
        if (a->columns > 32)
            draw_fill(&bar, ROLE_GAUGE);
    }
}

static void
draw_sheet(struct ui *ui, const struct trainlog *log, const struct area *a)
{
    struct training *t = training_of(ui);
    char **sheets = trainlog_sheets(log);
    int count = 0;
    while (sheets[count])
        count++;
    t->back = MAX(0, MIN(t->back, count - 1));
    if (!count) {
        draw_text(a->y, a->x, a->columns, ROLE_DIM, "no sheets of samples in its folder yet");
    } else {
        const char *name = sheets[count - 1 - t->back], *slash = strrchr(name, '/');
        draw_format(a->y, a->x, a->columns, ROLE_DIM, "%s   %d of %d   [ and ] show others",
                    slash ? slash + 1 : name, count - t->back, count);
        struct area picture = {a->y + 1, a->x, a->rows - 1, a->columns};
        draw_file(ui, SLOT_SHEET, &picture, name);
    }
    places_free(sheets);
}

static void
draw_row(const struct run *r, const struct area *line, bool here)
{
    static const char *const shown[][2] = {{"lost", "cut off"}};
    const char *state = r->job ? training_state(r) : training_is_running(r) ? "running" : "at rest";
    const char *place =
        r->copied ? jv_string(jv_get(jv_get(r->job, "about"), "output"), "?") : r->folder;
    const char *text = jv_string(jv_get(r->job, "text"), "");
    char steps[40] = "";
    int64_t whole = jv_integer(jv_get(jv_get(r->job, "about"), "steps"), 0);
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        if (strcmp(state, shown[i][0]) == 0)
            state = shown[i][1];
    if (whole)
        snprintf(steps, sizeof steps, "/%" PRId64, whole);
    if (here)
        draw_fill(line, ROLE_SELECTION);
    enum role role = here ? ROLE_SELECTION : strcmp(state, "failed") == 0 ? ROLE_ERROR : ROLE_TEXT;
    if (*text && strcmp(state, "failed") == 0)
        draw_format(line->y, line->x + 1, line->columns - 2, role, "%-8s %s: %s", state, place,
                    text);
    else if (!r->log.step)
        draw_format(line->y, line->x + 1, line->columns - 2, role, "%-8s no steps yet   %s", state,
                    place);
    else
        draw_format(line->y, line->x + 1, line->columns - 2, role,
                    "%-8s step %" PRId64 "%s  learning rate %.3g  %.2f s a step   %s", state,
                    r->log.step, steps, r->log.rate, r->log.seconds, place);
}

// How to draw with what it has made.
static void
draw_result(const struct ui *ui, const struct run *r, const struct area *line)
{
    bool is_lora;
    char path[4200];
    char *made = training_result(ui, r, &is_lora);
    if (!made)
        return;
    char *word = mem_printf("Enter draws with it   or: limn generate text --%s ",
                            is_lora ? "lora" : "model");
    int room = line->columns - text_width(word, SIZE_MAX) - 2;
    draw_short_path(made, MAX(room, 8), path, sizeof path);
    draw_format(line->y, line->x + 1, line->columns - 2, ROLE_GOOD, "%s%s", word, path);
    free(word);
    free(made);
}

void
training_draw(struct ui *ui, const struct area *a)
{
    struct training *t = training_of(ui);
    const struct run *run = training_chosen(ui);
    draw_heading(a, true, "training runs");
    if (ui_now() > t->asked + ASK_SECONDS)
        training_ask(ui);
    if (!run) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_DIM,
                  "n starts a training run, a adds the output folder of one "
                  "(limn train RECIPE.yaml)");
        return;
    }
    struct trainlog *log = &t->runs[t->selected].log;
    int rows = MIN(t->count, 4),
        top = draw_scroll(t->count, t->selected, rows, t->selected - rows + 1);
    training_ask_log(ui, &t->runs[t->selected]);
    if (log->folder)
        trainlog_read(log);
    for (int row = 0; row < rows; row++) {
        struct area line = {a->y + 1 + row, a->x, 1, a->columns};
        draw_row(&t->runs[top + row], &line, top + row == t->selected);
    }
    if (training_is_running(run) || log->more)
        ui_wake(ui, ui_now() + (log->more ? 0.01 : 1));
    if (!log->folder) {
        draw_text(a->y + rows + 2, a->x + 1, a->columns - 2, ROLE_DIM, "it has no log yet");
        return;
    }
    struct area result = {a->y + rows + 1, a->x, 1, a->columns};
    draw_result(ui, run, &result);
    int y = a->y + rows + 3, left = a->rows - rows - 3;
    bool wide = a->columns >= 100;
    struct area curve = {y, a->x + 1, wide ? left * 3 / 5 : left * 2 / 5,
                         wide ? a->columns / 2 - 2 : a->columns - 2};
    draw_curve(ui, log, &curve);
    struct area tasks = {curve.y + curve.rows + 1, a->x + 1,
                         a->y + a->rows - curve.y - curve.rows - 1, curve.columns};
    struct area sheet = {y, a->x + a->columns / 2, left, a->columns / 2 - 1};
    if (!wide) {
        tasks.columns = a->columns / 2 - 2;
        sheet.y = tasks.y;
        sheet.rows = tasks.rows;
    }
    if (tasks.rows > 1)
        draw_tasks(log, &tasks);
    if (sheet.rows > 2)
        draw_sheet(ui, log, &sheet);
}

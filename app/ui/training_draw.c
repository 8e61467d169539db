// SPDX-License-Identifier: MIT
// Draws the view of training runs: the list, how to draw with the result, losses by task, sheets.
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

static const char none_yet[] =
    "n starts a training run. The recipe my-style.yaml makes a style of about twenty icons of "
    "yours, in minutes; limn-icons.yaml trains the whole model.\n\n"
    "a adds the output folder of a run that limn train started elsewhere.\n\n"
    "docs/training.md explains what to prepare; limn data pack packs a folder of pictures.";

#define ASK_SECONDS 2.0 // between requests for the worker's list of runs

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
    const char *state = r->job                   ? training_state(r)
                        : training_is_running(r) ? "running"
                                                 : "inactive";
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

// How to draw with the run's result.
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

// Curve, losses and sheet; the sheet is beside both or, on a narrow screen, beside the losses.
static void
draw_log(struct ui *ui, const struct trainlog *log, const struct area *a)
{
    bool wide = a->columns >= 98;
    int half = a->columns / 2 - 1;
    int rows = wide ? MAX(a->rows * 3 / 5, a->rows - log->task_count - 3) : a->rows * 2 / 5;
    struct area curve = {a->y, a->x, rows, wide ? half : a->columns};
    training_draw_curve(ui, log, &curve);
    struct area tasks = {curve.y + curve.rows + 1, a->x, a->rows - curve.rows - 1, half};
    struct area sheet = {a->y, a->x + half + 1, a->rows, half};
    if (!wide) {
        sheet.y = tasks.y;
        sheet.rows = tasks.rows;
    }
    if (tasks.rows > 1)
        draw_tasks(log, &tasks);
    if (sheet.rows > 2)
        draw_sheet(ui, log, &sheet);
}

// One below the other, for screen readers.
static void
draw_log_plainly(struct ui *ui, const struct trainlog *log, const struct area *a)
{
    struct area curve = {a->y, a->x, a->rows / 2, a->columns};
    training_draw_curve(ui, log, &curve);
    struct area tasks = {curve.y + curve.rows, a->x, MIN(a->rows / 2 - 1, log->task_count + 1),
                         a->columns};
    struct area sheet = {tasks.y + tasks.rows, a->x, 1, a->columns};
    draw_tasks(log, &tasks);
    draw_sheet(ui, log, &sheet);
}

void
training_draw(struct ui *ui, const struct area *a)
{
    struct training *t = training_of(ui);
    const struct run *run = training_chosen(ui);
    draw_heading(a, true, "training runs");
    if (ui_now() > t->requested_at + ASK_SECONDS)
        training_request_jobs(ui);
    if (!run) {
        struct area text = {a->y + 2, a->x + 1, a->rows - 2, MIN(a->columns - 2, 76)};
        draw_wrapped(&text, ROLE_DIM, none_yet);
        return;
    }
    struct trainlog *log = &t->runs[t->selected].log;
    int rows = MIN(t->count, 4),
        top = draw_scroll(t->count, t->selected, rows, t->selected - rows + 1);
    training_request_log(ui, &t->runs[t->selected]);
    if (log->folder)
        trainlog_read(log);
    for (int row = 0; row < rows; row++) {
        struct area line = {a->y + 1 + row, a->x, 1, a->columns};
        draw_row(&t->runs[top + row], &line, top + row == t->selected);
    }
    if (training_is_running(run) || log->more)
        ui_wake(ui, ui_now() + (log->more ? 0.01 : 1));
    if (!log->folder) {
        draw_text(a->y + rows + 2, a->x + 1, a->columns - 2, ROLE_DIM, "no steps yet");
        return;
    }
    struct area result = {a->y + rows + 1, a->x, 1, a->columns};
    draw_result(ui, run, &result);
    struct area rest = {a->y + rows + 3, a->x + 1, a->rows - rows - 3, a->columns - 2};
    if (draw_is_plain())
        draw_log_plainly(ui, log, &rest);
    else
        draw_log(ui, log, &rest);
}

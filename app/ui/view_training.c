// SPDX-License-Identifier: MIT
// Trainings, running or finished: the loss as a curve in cells, the loss by task, the sheets. Their
// folders are kept in the library; where a training runs now, the curve follows it.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/places.h"
#include "app/ui/trainlog.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { TRAININGS_MAX = 32, CURVE_COLUMNS_MAX = 1024, RUNNING_SECONDS = 120, SMOOTH_STEPS = 50 };

struct training {
    struct trainlog logs[TRAININGS_MAX];
    int count, selected;
    bool loaded;
    int back; // sheets before the newest
};

static struct training *
training_of(const struct ui *ui)
{
    return ui->state[VIEW_TRAINING];
}

static void
keep(struct ui *ui)
{
    struct training *t = training_of(ui);
    char *all = mem_strdup("");
    for (int i = 0; i < t->count; i++) {
        char *longer = mem_printf("%s%s\n", all, t->logs[i].folder);
        free(all);
        all = longer;
    }
    if (ui->library)
        library_keep(ui->library, "trainings", all, NULL);
    free(all);
}

static bool
add(struct ui *ui, const char *folder, struct err *err)
{
    struct training *t = training_of(ui);
    char *whole = realpath(folder, NULL);
    const char *name = whole ? whole : folder;
    bool ok = true, known = false;
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->logs[i].folder, name) == 0) {
            t->selected = i;
            known = true;
        }
    if (!known && t->count == TRAININGS_MAX)
        ok = err_set(err, ERR_INPUT, "at most %d trainings are shown; x takes one off the list",
                     TRAININGS_MAX);
    if (ok && !known && (ok = trainlog_open(&t->logs[t->count], name, err)))
        t->selected = t->count++;
    free(whole);
    return ok;
}

static void
open_training(struct ui *ui)
{
    struct training *t = training_of(ui);
    if (t->loaded)
        return;
    t->loaded = true;
    char *kept = ui->library ? library_kept(ui->library, "trainings", NULL) : NULL, *left = NULL;
    for (char *line = kept ? strtok_r(kept, "\n", &left) : NULL; line;
         line = strtok_r(NULL, "\n", &left))
        add(ui, line, NULL); // one that is gone is left out
    free(kept);
    add(ui, "run", NULL); // the place of limn train, when limn was started beside it
    t->selected = 0;
}

static void
close_training(struct ui *ui)
{
    struct training *t = training_of(ui);
    if (t->loaded)
        keep(ui);
    for (int i = 0; i < t->count; i++)
        trainlog_close(&t->logs[i]);
}

// --- drawing

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
                put_dots(a->y + y, a->x + label + x, dots[y * columns + x], ui->unicode);
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
    draw_text(a->y, a->x, a->columns, ROLE_DIM, "loss by task, of late");
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
        draw_format(a->y, a->x, a->columns, ROLE_DIM, "%s   %d of %d   [ ] others",
                    slash ? slash + 1 : name, count - t->back, count);
        struct area picture = {a->y + 1, a->x, a->rows - 1, a->columns};
        draw_file(ui, SLOT_SHEET, &picture, name);
    }
    places_free(sheets);
}

static void
draw_training(struct ui *ui, const struct area *a)
{
    struct training *t = training_of(ui);
    draw_heading(a, true, "trainings");
    if (!t->count) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_DIM,
                  "a adds the output folder of a training (limn train RECIPE.yaml begins one)");
        return;
    }
    t->selected = MAX(0, MIN(t->selected, t->count - 1));
    struct trainlog *log = &t->logs[t->selected];
    int rows = MIN(t->count, 4),
        top = draw_scroll(t->count, t->selected, rows, t->selected - rows + 1);
    trainlog_read(log);
    for (int row = 0; row < rows; row++) {
        const struct trainlog *l = &t->logs[top + row];
        bool here = top + row == t->selected, running = time(NULL) - l->changed < RUNNING_SECONDS;
        struct area line = {a->y + 1 + row, a->x, 1, a->columns};
        if (here)
            draw_fill(&line, ROLE_SELECTION);
        draw_format(line.y, a->x + 1, a->columns - 2, here ? ROLE_SELECTION : ROLE_TEXT,
                    "%-8s step %-8" PRId64 " rate %-9.3g %6.2f s a step   %s",
                    running ? "runs" : "rests", l->step, l->rate, l->seconds, l->folder);
        if (here && running)
            ui->wake = ui_now() + 1;
    }
    int y = a->y + rows + 2, left = a->rows - rows - 2;
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

// --- requests

static void
add_done(struct ui *ui, const char *text)
{
    struct err err = {0};
    if (text && *text && !add(ui, text, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    keep(ui);
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct training *t = training_of(ui);
    switch (request) {
    case REQUEST_UP: t->selected--; break;
    case REQUEST_DOWN: t->selected++; break;
    case REQUEST_FIRST: t->selected = 0; break;
    case REQUEST_LAST: t->selected = t->count - 1; break;
    case REQUEST_LEFT:
    case REQUEST_EARLIER: t->back++; break;
    case REQUEST_RIGHT:
    case REQUEST_LATER: t->back--; break;
    case REQUEST_ADD: ui_prompt(ui, "folder of a training: ", "", add_done); break;
    case REQUEST_REMOVE:
        if (t->count) {
            trainlog_close(&t->logs[t->selected]);
            memmove(&t->logs[t->selected], &t->logs[t->selected + 1],
                    (size_t)(--t->count - t->selected) * sizeof *t->logs);
            t->logs[t->count] = (struct trainlog){0};
            keep(ui);
        }
        break;
    default: return false;
    }
    return true;
}

static const enum request hints[] = {REQUEST_ADD, REQUEST_REMOVE, REQUEST_EARLIER, REQUEST_LATER,
                                     REQUEST_BACK, REQUEST_HELP, REQUEST_NONE};

const struct view view_training = {
    .name = "training",
    .title = "trainings and their curves",
    .state_size = sizeof(struct training),
    .open = open_training,
    .close = close_training,
    .draw = draw_training,
    .request = on_request,
    .hints = hints,
};

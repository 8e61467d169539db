// SPDX-License-Identifier: MIT
// The live view: the queue on the left, the selected job's picture on the right. A sweep is shown
// as a sheet of its pictures with their labels.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/field.h"
#include "app/ui/live.h"
#include "app/ui/material.h"
#include "app/ui/reading.h"
#include "app/ui/session.h"
#include "engine/base/mem.h"

struct live *
live_of(const struct ui *ui)
{
    return ui_state(ui, VIEW_LIVE);
}

static void
free_tiles(struct live *l)
{
    for (int i = 0; i < LIMIT_JOB_PICTURES; i++) {
        image_unref(l->tiles[i]);
        l->tiles[i] = NULL;
    }
    image_unref(l->tiles_of);
    l->tiles_of = NULL;
}

static void
open_live(struct ui *ui)
{
    live_of(ui)->picture = -1;
}

static void
close_live(struct ui *ui)
{
    free_tiles(live_of(ui));
}

static void
stop_answered(struct ui *ui, char answer)
{
    if (answer == 'y')
        ui_say(ui, ROLE_STATUS, "%d stopped", tasks_stop_all(ui));
}

static void
stop_all(struct ui *ui)
{
    char question[120];
    int n = tasks_unfinished(ui) + tasks_offered(ui);
    snprintf(question, sizeof question,
             "stop drawing and clear the queue (%d %s)? y: yes   any other key: no", n,
             n == 1 ? "job" : "jobs");
    if (n)
        ui_ask(ui, question, "y", stop_answered);
    else
        ui_say(ui, ROLE_STATUS, "nothing is being drawn");
}

// One line: state, step, time left, speed, device.
static void
draw_progress(const struct task *t, int y, int x, int columns)
{
    char text[ERR_TEXT_MAX + 80];
    if (t->state == TASK_RUNNING && t->total) {
        double speed = t->seconds > 0 ? t->step / t->seconds : 0;
        snprintf(text, sizeof text, "step %d of %d   %.1f s left   %.2f steps/s   on %s", t->step,
                 t->total, speed > 0 ? (t->total - t->step) / speed : 0, speed,
                 *t->device ? t->device : "?");
    } else if (t->state == TASK_FAILED && t->frame_count) {
        snprintf(text, sizeof text, "%s", t->error);
    } else if (t->state == TASK_OFFERED) {
        snprintf(text, sizeof text, "r draws it, R draws all to do, x removes it (%s)", t->error);
    } else if (t->state == TASK_DONE) {
        snprintf(text, sizeof text, "done in %.1f s   seed %" PRId64 "   on %s", t->seconds,
                 t->job.seed, *t->device ? t->device : "?");
    } else {
        snprintf(text, sizeof text, "%s   seed %" PRId64, live_state_name(t), t->job.seed);
    }
    draw_text(y, x, columns, live_state_role(t), text);
}

// The number of columns that makes the tiles largest.
static int
grid_columns(const struct ui *ui, const struct area *a, int count)
{
    int best = 1, width, height;
    double best_side = 0;
    draw_cell(ui, &width, &height);
    if (draw_is_plain()) // one line each
        return 1;
    for (int columns = 1; columns <= count; columns++) {
        int rows = (count + columns - 1) / columns;
        double w = (double)(a->columns / columns - 1) * width;
        double h = (double)(a->rows / rows - 1) * height;
        if (MIN(w, h) > best_side) {
            best_side = MIN(w, h);
            best = columns;
        }
    }
    return best;
}

// Splits a frame, in which the job's pictures are side by side; once per frame.
static void
split_frame(struct live *l, struct image *frame, int count)
{
    if (l->tiles_of == frame)
        return;
    free_tiles(l);
    l->tiles_of = image_ref(frame);
    for (int i = 0; i < count; i++)
        l->tiles[i] = image_crop(frame, i * (frame->width / count), 0, frame->width / count,
                                 frame->height, NULL);
}

static void
draw_tile(struct ui *ui, const struct task *t, int i, int slot, const struct area *tile)
{
    struct live *l = live_of(ui);
    const struct image *shape = l->tiles[i];
    struct area picture =
        draw_fitted(ui, tile, shape ? shape->width : 1, shape ? shape->height : 1, 1);
    bool plain = draw_is_plain();
    if (t->unwanted[i] && !plain)
        draw_caption(tile->y + tile->rows / 2, tile->x, tile->columns, ROLE_WARNING, "not kept");
    else
        draw_picture(ui, slot, &picture, l->tiles[i], t->state == TASK_RUNNING && !l->frames_back);
    char text[64];
    snprintf(text, sizeof text, "seed %" PRId64 "%s", t->job.seed + i,
             t->unwanted[i] && plain ? ", not kept" : "");
    draw_caption(picture.y + picture.rows, tile->x, tile->columns,
                 l->picture == i ? ROLE_SELECTION : ROLE_DIM, text);
}

static void
draw_several(struct ui *ui, const struct task *t, struct image *frame, const struct area *a)
{
    struct live *l = live_of(ui);
    int count = t->job.count, columns = grid_columns(ui, a, count);
    int rows = (count + columns - 1) / columns;
    int width = a->columns / columns, height = MAX(1, a->rows / rows);
    split_frame(l, frame, count);
    if (l->single) {
        draw_tile(ui, t, MAX(l->picture, 0), SLOT_LIVE, a);
        return;
    }
    for (int i = 0; i < MIN(count, a->rows * columns) && SLOT_GRID + i < SLOT_QUEUE; i++) {
        struct area tile = {a->y + i / columns * height, a->x + i % columns * width, height,
                            width - 1};
        draw_tile(ui, t, i, SLOT_GRID + i, &tile);
    }
}

static void
draw_one(struct ui *ui, const struct task *t, const struct area *a)
{
    struct live *l = live_of(ui);
    l->frames_back = MAX(0, MIN(l->frames_back, t->frame_count - 1));
    int at = t->frame_count - 1 - l->frames_back;
    if (t->frame_count && t->job.count > 1 && t->job.count <= LIMIT_JOB_PICTURES &&
        t->frames[at]->width % t->job.count == 0)
        draw_several(ui, t, t->frames[at], a);
    else if (t->frame_count)
        draw_picture(ui, SLOT_LIVE, a, t->frames[at], t->state == TASK_RUNNING && !l->frames_back);
    else if (t->state == TASK_FAILED) // in place of the picture: it may take several lines
        draw_wrapped(&(struct area){a->y + 1, a->x, a->rows - 1, a->columns}, ROLE_WARNING,
                     t->error);
    else
        draw_text(a->y + a->rows / 2, a->x + 1, a->columns - 2, ROLE_DIM,
                  t->state == TASK_QUEUED    ? "waiting for its turn"
                  : t->state == TASK_RUNNING ? "loading the model \u2026"
                                             : "there is no picture");
}

static void
draw_sweep(struct ui *ui, int sweep, const struct area *a)
{
    struct tasks *tasks = tasks_of(ui);
    int count = 0, i = 0;
    for (int k = 0; k < tasks->count; k++)
        count += tasks->items[k]->sweep == sweep;
    int columns = grid_columns(ui, a, count), asked = tasks->items[tasks->shown]->sweep_columns;
    if (asked > 1 && a->columns / asked >= 8 && a->rows / ((count + asked - 1) / asked) >= 4)
        columns = asked;
    int rows = (count + columns - 1) / columns;
    int width = a->columns / columns, height = a->rows / rows;
    if (width < 4 || height < 3) {
        draw_text(a->y, a->x, a->columns, ROLE_DIM, "too many for this window: Enter shows one");
        return;
    }
    for (int k = 0; k < tasks->count; k++) {
        const struct task *t = tasks->items[k];
        if (t->sweep != sweep)
            continue;
        struct area tile = {a->y + i / columns * height, a->x + i % columns * width, height,
                            width - 1};
        struct image *frame = live_newest(t);
        struct area picture =
            draw_fitted(ui, &tile, frame ? frame->width : 1, frame ? frame->height : 1, 1);
        draw_caption(picture.y + picture.rows, tile.x, tile.columns,
                     k == tasks->shown ? ROLE_SELECTION : ROLE_DIM, t->label ? t->label : "");
        if (frame && SLOT_GRID + i < SLOT_QUEUE)
            draw_picture(ui, SLOT_GRID + i, &picture, frame, t->state == TASK_RUNNING);
        else
            draw_text(picture.y + picture.rows / 2, tile.x + width / 2 - 1, 1, ROLE_DIM, "\u2026");
        i++;
    }
}

// Of a job that is not running: which step is shown, and the path of its picture.
static void
draw_end(const struct task *t, int back, int y, int x, int columns)
{
    char text[60] = "", path[4200] = "";
    if (t->frame_count > 1)
        snprintf(text, sizeof text, "%s step %d   [ and ] show others", back ? "at" : "after",
                 t->frame_steps[t->frame_count - 1 - MIN(back, t->frame_count - 1)]);
    int width = text_width(text, SIZE_MAX), from = width ? width + 3 : 0;
    draw_text(y, x, columns, ROLE_DIM, text);
    if (t->files[0] && columns > from + 12) {
        draw_short_path(t->files[0], columns - from, path, sizeof path);
        draw_text(y, x + from, columns - from, ROLE_DIM, path);
    }
}

static void
draw_live(struct ui *ui, const struct area *a)
{
    struct live *l = live_of(ui);
    int left = MIN(MAX(a->columns / 4, 20), 40);
    struct area queue, right;
    const struct task *t = task_shown(ui);
    draw_split(a, left, &queue, &right);
    live_draw_queue(ui, &queue);
    struct area head = {right.y, right.x, 1, right.columns};
    if (!t) {
        draw_heading(&head, false, "picture");
        draw_text(right.y + 2, right.x + 2, right.columns - 3, ROLE_DIM,
                  "F9 draws the instruction that is being assembled (1)");
        return;
    }
    draw_heading(&head, false, t->label ? t->label : "picture");
    struct area text = {right.y + 1, right.x + 1, 2, right.columns - 2};
    draw_wrapped(&text, ROLE_TEXT, t->job.instruction ? t->job.instruction : "");
    draw_progress(t, right.y + 3, right.x + 1, right.columns - 2);
    if (t->state == TASK_RUNNING && t->total)
        draw_gauge(right.y + 4, right.x + 1, right.columns - 2, (double)t->step / t->total);
    else
        draw_end(t, l->frames_back, right.y + 4, right.x + 1, right.columns - 2);
    struct area picture = {right.y + 5, right.x + 1, right.rows - 5, right.columns - 2};
    if (t->sweep && !l->single && !draw_is_plain()) // in plain mode the queue shows its jobs
        draw_sweep(ui, t->sweep, &picture);
    else
        draw_one(ui, t, &picture);
}

static void
show(struct ui *ui, int index)
{
    struct tasks *tasks = tasks_of(ui);
    tasks->shown = MAX(0, MIN(index, tasks->count - 1));
    live_of(ui)->frames_back = 0;
    live_of(ui)->picture = -1;
}

static bool
has_several(const struct task *t)
{
    return t && t->job.count > 1 && t->job.count <= LIMIT_JOB_PICTURES;
}

// Steps through the job's pictures and the job as a whole.
static void
choose_picture(struct ui *ui, const struct task *t, int by)
{
    struct live *l = live_of(ui);
    int n = t->job.count + 1;
    l->picture = (l->picture + 1 + by + n) % n - 1;
}

static void
stop(struct ui *ui, struct task *t)
{
    struct live *l = live_of(ui);
    bool one = has_several(t) && l->picture >= 0 && t->state <= TASK_RUNNING;
    if (one && task_drop_picture(ui, t, l->picture)) {
        ui_say(ui, ROLE_STATUS, "the picture of seed %" PRId64 " is not kept; the others are",
               t->job.seed + l->picture);
        return;
    }
    ui_say(ui, ROLE_STATUS, "%s",
           t->state == TASK_RUNNING   ? "it stops after this step"
           : t->state == TASK_QUEUED  ? "it will not be drawn"
           : t->state == TASK_OFFERED ? "forgotten"
                                      : "it has already ended; c clears finished jobs");
    task_cancel(ui, t);
    task_drop(ui, t);
}

static void
on_repeat_read(struct ui *ui, struct reading *r)
{
    if (r->err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", r->err.text);
    else if (task_start(ui, &r->jobs[0], NULL))
        show(ui, tasks_of(ui)->count - 1);
}

static void
repeat(struct ui *ui, const struct task *t)
{
    if (!t->job.instruction) {
        ui_say(ui, ROLE_ERROR, "its instruction is not known here");
        return;
    }
    struct reading *r = reading_new(1, on_repeat_read);
    struct job *j = &r->jobs[0];
    job_copy(j, &t->job);
    j->id[0] = 0;
    j->seed = -1;
    job_resolve(j);
    reading_put(ui, r);
}

// Requests on the shown job.
static bool
on_task_request(struct ui *ui, struct task *t, enum request request)
{
    switch (request) {
    case REQUEST_SOONER:
    case REQUEST_DEFER:
        if (!task_move(ui, t, request == REQUEST_SOONER ? -1 : 1))
            ui_say(ui, ROLE_STATUS, "only waiting jobs can be moved");
        return true;
    case REQUEST_REMOVE:
        stop(ui, t);
        return true;
    case REQUEST_REPEAT:
        if (t->state == TASK_OFFERED)
            task_run(ui, t);
        else
            repeat(ui, t);
        return true;
    case REQUEST_OPEN:
        if (t->job.instruction) {
            session_set(ui, &t->job);
            ui_open_view(ui, VIEW_COMPOSE);
        }
        return true;
    default: {
        int at = has_several(t) ? MAX(live_of(ui)->picture, 0) : 0;
        return material_request(ui, request, t->files[at], t->job.seed + at);
    }
    }
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct tasks *tasks = tasks_of(ui);
    struct live *l = live_of(ui);
    struct task *t = task_shown(ui);
    int page = MAX(1, l->list.rows / MAX(l->row, 1) - 1);
    switch (request) {
    case REQUEST_UP: show(ui, tasks->shown - 1); return true;
    case REQUEST_DOWN: show(ui, tasks->shown + 1); return true;
    case REQUEST_PAGE_UP: show(ui, tasks->shown - page); return true;
    case REQUEST_PAGE_DOWN: show(ui, tasks->shown + page); return true;
    case REQUEST_FIRST: show(ui, 0); return true;
    case REQUEST_LAST: show(ui, tasks->count - 1); return true;
    case REQUEST_EARLIER:
    case REQUEST_LEFT: l->frames_back++; return true;
    case REQUEST_LATER:
    case REQUEST_RIGHT: l->frames_back = MAX(0, l->frames_back - 1); return true;
    case REQUEST_PAUSE: tasks_pause(ui); return true;
    case REQUEST_STOP_ALL: stop_all(ui); return true;
    case REQUEST_CLEAR: tasks_remove_finished(tasks), show(ui, 0); return true;
    case REQUEST_RESUME:
        if (!tasks_offered(ui))
            ui_say(ui, ROLE_STATUS, "nothing was interrupted");
        else if ((page = tasks_run_offered(ui)) > 0)
            ui_say(ui, ROLE_STATUS, "%d %s asked for again", page,
                   page == 1 ? "drawing is" : "drawings are");
        return true;
    case REQUEST_NEXT_PANE:
    case REQUEST_PREVIOUS_PANE:
        if (!has_several(t))
            return false;
        choose_picture(ui, t, request == REQUEST_NEXT_PANE ? 1 : -1);
        return true;
    case REQUEST_ENTER:
        l->single = t && (t->sweep || has_several(t)) ? !l->single : l->single;
        return true;
    case REQUEST_BACK:
        if (!(t && (t->sweep || has_several(t)) && l->single))
            return false;
        l->single = false;
        return true;
    default: return t && on_task_request(ui, t, request);
    }
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    struct tasks *tasks = tasks_of(ui);
    struct live *l = live_of(ui);
    (void)double_click;
    if (turn && x >= l->list.x + l->list.columns)
        on_request(ui, turn < 0 ? REQUEST_EARLIER : REQUEST_LATER);
    else if (turn)
        show(ui, tasks->shown + turn);
    else if (draw_contains(&l->list, y, x) &&
             l->top + (y - l->list.y) / MAX(l->row, 1) < tasks->count)
        show(ui, l->top + (y - l->list.y) / MAX(l->row, 1));
}

static const enum request hints[] = {REQUEST_DRAW,    REQUEST_REPEAT, REQUEST_REMOVE,
                                     REQUEST_EARLIER, REQUEST_LATER,  REQUEST_OPEN,
                                     REQUEST_RESUME,  REQUEST_CLEAR,  REQUEST_HELP,
                                     REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_REPEAT, "another seed"},
    {REQUEST_REMOVE, "stop"},
    {REQUEST_EARLIER, "step back"},
    {REQUEST_LATER, "step on"},
    {REQUEST_OPEN, "open instruction"},
    {REQUEST_NONE, NULL},
};

const struct view view_live = {
    .name = "live",
    .title = "pictures as they come",
    .state_size = sizeof(struct live),
    .open = open_live,
    .close = close_live,
    .draw = draw_live,
    .request = on_request,
    .mouse = on_mouse,
    .hints = hints,
    .words = words,
};

// SPDX-License-Identifier: MIT
// The queue at the left of the live view. Each job takes two lines: its picture, state, seed, and
// the words that tell it from the job above.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/ui/field.h"
#include "app/ui/live.h"
#include "engine/base/mem.h"

enum { THUMB_COLUMNS = 4, WIDE_FROM = 20, PREFIX_MIN = 12 };

const char *
live_state_name(const struct task *t)
{
    static const char *const names[] = {"waiting", "drawing", "done", "failed", "stopped", "to do"};
    return names[t->state];
}

enum role
live_state_role(const struct task *t)
{
    static const enum role roles[] = {ROLE_DIM, ROLE_TEXT, ROLE_GOOD, ROLE_ERROR, ROLE_WARNING,
                                      ROLE_WARNING};
    return roles[t->state];
}

struct image *
live_newest(const struct task *t)
{
    return t->frame_count ? t->frames[t->frame_count - 1] : NULL;
}

// The newest frame's picture or, of several, which are side by side, the first.
static struct image *
thumbnail_of(struct task *t)
{
    struct image *frame = live_newest(t);
    int count = t->job.count;
    if (!frame || count < 2 || count > LIMIT_JOB_PICTURES || frame->width % count != 0)
        return frame;
    if (t->first_of != frame) {
        image_unref(t->first);
        image_unref(t->first_of);
        t->first = image_crop(frame, 0, 0, frame->width / count, frame->height, NULL);
        t->first_of = image_ref(frame);
    }
    return t->first;
}

// How many jobs are left, and the time they take.
static void
put_title(const struct ui *ui, char *out, size_t size)
{
    int n = tasks_unfinished(ui), waits = tasks_offered(ui);
    double left = n ? tasks_seconds_left(ui) : -1;
    if (tasks_of(ui)->paused)
        snprintf(out, size, "paused: %d to do", waits + n);
    else if (left >= 100)
        snprintf(out, size, "queue: %d left, %d min", n, (int)(left / 60 + 0.5));
    else if (left >= 0)
        snprintf(out, size, "queue: %d left, %d s", n, (int)(left + 0.5));
    else
        snprintf(out, size, n ? "queue: %d left" : "queue", n);
}

static const char *
words_of(const struct task *t)
{
    return t->label ? t->label : t->job.instruction ? t->job.instruction : t->job.id;
}

// The job's words; if they begin like those of the job above, from the word that differs.
static void
put_words(const struct tasks *tasks, int at, char *out, size_t size)
{
    const char *words = words_of(tasks->items[at]);
    const char *above = at ? words_of(tasks->items[at - 1]) : "";
    size_t same = 0, word = 0;
    for (; words[same] && words[same] == above[same]; same++)
        word = words[same] == ' ' ? same + 1 : word;
    bool differ = (words[same] || above[same]) && word >= PREFIX_MIN && words[word];
    snprintf(out, size, "%s%s", differ ? "\u2026 " : "", words + (differ ? word : 0));
}

static void
put_state(const struct task *t, char *out, size_t size)
{
    if (t->state == TASK_RUNNING && t->total)
        snprintf(out, size, "%3d %%", t->step * 100 / t->total);
    else if (t->state == TASK_DONE && t->seconds > 0)
        snprintf(out, size, "done %.1f s", t->seconds);
    else
        snprintf(out, size, "%s", live_state_name(t));
}

// The state and, at the right, the seed, which tells jobs with the same words apart.
static void
draw_first_line(const struct task *t, const struct area *a, bool here)
{
    char state[32], seed[24];
    put_state(t, state, sizeof state);
    int width = snprintf(seed, sizeof seed, "%" PRId64, t->job.seed);
    int used = text_width(state, SIZE_MAX);
    draw_text(a->y, a->x, MIN(used, a->columns), here ? ROLE_SELECTION : live_state_role(t), state);
    if (a->columns > used + width + 1)
        draw_text(a->y, a->x + a->columns - width, width, here ? ROLE_SELECTION : ROLE_DIM, seed);
}

static void
draw_row(struct ui *ui, int at, const struct area *a)
{
    const struct tasks *tasks = tasks_of(ui);
    struct task *t = tasks->items[at];
    bool here = at == tasks->shown, thumb = a->rows > 1 && a->columns >= WIDE_FROM;
    struct area text = {a->y, a->x + 1, a->rows, a->columns - 2};
    char words[600];
    if (thumb) {
        text.x += THUMB_COLUMNS + 1;
        text.columns -= THUMB_COLUMNS + 1;
    }
    struct area ground = {a->y, text.x - 1, a->rows, text.columns + 2};
    if (here)
        draw_fill(&ground, ROLE_SELECTION);
    put_words(tasks, at, words, sizeof words);
    if (a->rows == 1) { // one line per job, for screen readers
        draw_text(a->y, text.x, 9, here ? ROLE_SELECTION : live_state_role(t), live_state_name(t));
        draw_text(a->y, text.x + 9, text.columns - 9, here ? ROLE_SELECTION : ROLE_TEXT, words);
        return;
    }
    draw_first_line(t, &text, here);
    draw_text(a->y + 1, text.x, text.columns, here ? ROLE_SELECTION : ROLE_TEXT, words);
    struct area picture = {a->y, a->x + 1, a->rows, THUMB_COLUMNS};
    struct image *small = thumb ? thumbnail_of(t) : NULL;
    if (small)
        draw_picture(ui, SLOT_QUEUE + a->y, &picture, small, t->state == TASK_RUNNING);
}

void
live_draw_queue(struct ui *ui, const struct area *a)
{
    struct tasks *tasks = tasks_of(ui);
    struct live *l = live_of(ui);
    char title[40];
    put_title(ui, title, sizeof title);
    bool narrow = text_width(title, SIZE_MAX) > a->columns - 4;
    draw_heading(a, true, narrow && strncmp(title, "queue: ", 7) == 0 ? title + 7 : title);
    l->row = draw_is_plain() ? 1 : 2;
    l->list = (struct area){a->y + 1, a->x, a->rows - 1, a->columns};
    int rows = MAX(l->list.rows / l->row, 1);
    l->top = draw_scroll(tasks->count, tasks->shown, rows, l->top);
    if (!tasks->count)
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM, "no jobs yet");
    for (int row = 0; row < rows && l->top + row < tasks->count; row++) {
        struct area line = {l->list.y + row * l->row, a->x, l->row, a->columns};
        draw_row(ui, l->top + row, &line);
    }
}

// SPDX-License-Identifier: MIT
#include "app/ui/trainlog.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

bool
trainlog_open(struct trainlog *t, const char *folder, struct err *err)
{
    *t = (struct trainlog){0};
    char *file = file_join(folder, "log.jsonl");
    struct stat s;
    if (stat(file, &s) != 0 || !S_ISREG(s.st_mode)) {
        err_set(err, ERR_INPUT, "%s: there is no training run in this folder (no log.jsonl)",
                folder);
        free(file);
        return false;
    }
    t->folder = mem_strdup(folder);
    t->file = file;
    trainlog_read(t);
    return true;
}

static void
clear(struct trainlog *t)
{
    free(t->losses);
    free(t->rest);
    t->losses = NULL;
    t->rest = NULL;
    t->rest_size = 0;
    t->count = t->capacity = t->task_count = 0;
    t->read = 0;
    t->step = 0;
    t->seconds = 0;
}

void
trainlog_close(struct trainlog *t)
{
    clear(t);
    free(t->folder);
    free(t->file);
    *t = (struct trainlog){0};
}

static struct trainlog_task *
find_task(struct trainlog *t, const char *name)
{
    for (int i = 0; i < t->task_count; i++)
        if (strcmp(t->tasks[i].name, name) == 0)
            return &t->tasks[i];
    if (t->task_count == LIMIT_TRAINLOG_TASKS)
        return NULL;
    struct trainlog_task *task = &t->tasks[t->task_count++];
    snprintf(task->name, sizeof task->name, "%s", name);
    task->loss = NAN;
    return task;
}

// Exponential means with a memory of TRAINLOG_RECENT steps.
static double
running_mean(double mean, double value)
{
    return isfinite(mean) && mean > 0 ? mean + (value - mean) / TRAINLOG_RECENT : value;
}

static void
parse_line(struct trainlog *t, const char *line, size_t n)
{
    struct jv *o = n < LIMIT_TRAINLOG_LINE_BYTES ? jv_parse(line, n, "log.jsonl", NULL) : NULL;
    double loss = jv_number(jv_get(o, "loss"), NAN);
    if (isfinite(loss)) {
        ARRAY_PUSH(t->losses, t->count, t->capacity, (float)loss);
        t->step = jv_integer(jv_get(o, "step"), t->step);
        t->rate = jv_number(jv_get(o, "lr"), t->rate);
        t->seconds = running_mean(t->seconds, jv_number(jv_get(o, "seconds"), t->seconds));
        const struct jv *tasks = jv_get(o, "tasks");
        for (size_t i = 0; i < jv_size(tasks); i++) {
            struct trainlog_task *task = find_task(t, jv_key_at(tasks, i));
            double value = jv_number(jv_value_at(tasks, i), NAN);
            if (task && isfinite(value))
                task->loss = running_mean(task->loss, value);
        }
    }
    jv_free(o);
}

bool
trainlog_read(struct trainlog *t)
{
    enum { CHUNK = 1 << 16 };
    struct stat s;
    if (stat(t->file, &s) != 0)
        return false;
    t->changed = s.st_mtime;
    if (s.st_size < t->read)
        clear(t);
    t->more = false;
    if (s.st_size == t->read || t->read >= LIMIT_TRAINLOG_BYTES)
        return false;
    off_t until = MIN(s.st_size, MIN(t->read + TRAINLOG_TURN_BYTES, (off_t)LIMIT_TRAINLOG_BYTES));
    FILE *f = file_stream(t->file, "r", NULL);
    if (!f)
        return false;
    char *text = mem_alloc(CHUNK + LIMIT_TRAINLOG_LINE_BYTES + 1);
    fseeko(f, t->read, SEEK_SET);
    size_t held = t->rest_size, n;
    if (held)
        memcpy(text, t->rest, held);
    while (t->read < until && (n = fread(text + held, 1, CHUNK, f)) > 0) {
        t->read += (off_t)n;
        size_t size = held + n, from = 0;
        for (char *end; (end = memchr(text + from, '\n', size - from));) {
            parse_line(t, text + from, (size_t)(end - text) - from);
            from = (size_t)(end - text) + 1;
        }
        held = size - from;
        if (held > LIMIT_TRAINLOG_LINE_BYTES)
            held = 0; // not a line of a log
        memmove(text, text + from, held);
    }
    fclose(f);
    t->more = t->read < MIN(s.st_size, (off_t)LIMIT_TRAINLOG_BYTES);
    free(t->rest);
    t->rest = held ? mem_alloc(held) : NULL;
    t->rest_size = held;
    if (held)
        memcpy(t->rest, text, held);
    free(text);
    return true;
}

// Stretches the first `filled` (at least one) values over all `columns`; in place, so backwards.
static void
resample(double *means, int filled, int columns)
{
    for (int i = columns - 1; i >= 0 && filled < columns; i--) {
        double at = columns > 1 ? (double)i * (filled - 1) / (columns - 1) : 0;
        int before = (int)at, behind = MIN(before + 1, filled - 1);
        means[i] = means[before] + (at - before) * (means[behind] - means[before]);
    }
}

int
trainlog_curve(const struct trainlog *t, int columns, int smooth, double *means)
{
    int filled = MIN(columns, t->count);
    smooth = MIN(smooth, MAX(1, t->count / 10));
    for (int i = 0; i < filled; i++) {
        int from = (int)((int64_t)t->count * i / filled),
            to = (int)((int64_t)t->count * (i + 1) / filled);
        int missing = MAX(0, smooth - (to - from));
        from = MAX(0, from - missing / 2);
        to = MIN(t->count, to + missing / 2);
        double sum = 0;
        for (int k = from; k < to; k++)
            sum += t->losses[k];
        means[i] = sum / MAX(1, to - from);
    }
    if (!filled)
        return 0;
    resample(means, filled, columns);
    return columns;
}

static int
is_sheet(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return strncmp(e->d_name, "sheet", 5) == 0 && n > 9 && strcmp(e->d_name + n - 4, ".png") == 0;
}

char **
trainlog_sheets(const struct trainlog *t)
{
    struct dirent **entries = NULL;
    int n = scandir(t->folder, &entries, is_sheet, versionsort);
    char **out = mem_zalloc((size_t)(MAX(n, 0) + 1) * sizeof *out);
    for (int i = 0; i < n; i++) {
        out[i] = file_join(t->folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return out;
}

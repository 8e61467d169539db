// SPDX-License-Identifier: MIT
// The log.jsonl of a training run (docs/training.md), read as it grows: losses for a curve, and
// means of the last steps. Independent of the screen.
#ifndef LIMN_APP_UI_TRAINLOG_H
#define LIMN_APP_UI_TRAINLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/err.h"
#include "engine/base/limits.h"

enum {
    TRAINLOG_RECENT = 200,
    TRAINLOG_TURN_BYTES = 4 << 20, // read per call
};

struct trainlog_task {
    char name[32];
    double loss; // mean over the last steps with this task
};

struct trainlog {
    char *folder, *file;
    off_t read;      // bytes of the file read so far
    char *rest;      // the start of an incomplete line
    size_t rest_size;
    float *losses;   // of every step, in the order of the log
    int count, capacity;
    int64_t step;    // of the last line
    double rate, seconds; // learning rate; mean seconds per step
    struct trainlog_task tasks[LIMIT_TRAINLOG_TASKS];
    int task_count;
    bool more;       // the file has more than was read
    int64_t changed; // the file's mtime, seconds since 1970
};

// `folder`: the output of a training run. ERR_INPUT if it contains no log.
bool trainlog_open(struct trainlog *t, const char *folder, struct err *err);
void trainlog_close(struct trainlog *t); // zeroed is fine
// Reads what was added since, at most TRAINLOG_TURN_BYTES; true if there was something. A file that
// became shorter is read from its start; nothing after LIMIT_TRAINLOG_BYTES is read.
bool trainlog_read(struct trainlog *t);
// Mean losses at `columns` points, spread evenly from the first step to the last, each over at
// least `smooth` steps (or a tenth of all steps if they are few), interpolated if there are fewer
// steps than points. Returns `columns`, or 0 without a step.
int trainlog_curve(const struct trainlog *t, int columns, int smooth, double *means);
// The names of the sheets drawn so far, oldest first, NULL at the end; freed with places_free().
char **trainlog_sheets(const struct trainlog *t);

#endif

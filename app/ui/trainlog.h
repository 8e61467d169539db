// SPDX-License-Identifier: MIT
// The log.jsonl of a training run (docs/training.md), read as it grows: losses for a curve, and
// means of the last steps. Knows nothing of the screen.
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
    TRAINLOG_TURN_BYTES = 4 << 20, // taken in at once
};

struct trainlog_task {
    char name[32];
    double loss; // mean over the last steps that had it
};

struct trainlog {
    char *folder, *file;
    off_t read;      // bytes of the file that were taken in
    char *rest;      // the start of a line that is not whole yet
    size_t rest_size;
    float *losses;   // of every step, in the order of the log
    int count, capacity;
    int64_t step;    // of the last line
    double rate, seconds; // learning rate; mean seconds a step
    struct trainlog_task tasks[LIMIT_TRAINLOG_TASKS];
    int task_count;
    bool more;       // there is more to take in than was
    int64_t changed; // when the file changed last, seconds since 1970
};

// `folder`: the output of a training run. ERR_INPUT if it contains no log.
bool trainlog_open(struct trainlog *t, const char *folder, struct err *err);
void trainlog_close(struct trainlog *t); // zeroed is fine
// Reads what was written since, at most TRAINLOG_TURN_BYTES; true if there was something. A file
// that became shorter is read again; nothing after LIMIT_TRAINLOG_BYTES is read.
bool trainlog_read(struct trainlog *t);
// Mean losses at `columns` places, spread evenly from the first step to the last, each over at
// least `smooth` steps, or a tenth of the steps if they are few; interpolated where steps are
// further apart than places. Returns how many: all, or none without a step.
int trainlog_curve(const struct trainlog *t, int columns, int smooth, double *means);
// The names of the sheets drawn so far, oldest first, NULL at the end; freed with places_free().
char **trainlog_sheets(const struct trainlog *t);

#endif

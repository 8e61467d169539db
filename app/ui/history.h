// SPDX-License-Identifier: MIT
// The composer's earlier instructions, so that replacing the instruction (by that of a picture, by
// a template or by an empty one) loses nothing. Works like a shell's history. The UI's thread.
#ifndef LIMN_APP_UI_HISTORY_H
#define LIMN_APP_UI_HISTORY_H

#include <stdbool.h>

#include "app/job/job.h"

enum { HISTORY_MAX = 64 };

// Zeroed is empty.
struct history {
    struct job items[HISTORY_MAX]; // the oldest first
    int count, at;                 // at: the item shown; count: none of them
    struct job newest;             // the instruction before the first step back
};

void history_finish(struct history *h);
// Adds a copy of the instruction shown, about to be replaced, unless it is empty or known.
void history_put(struct history *h, const struct job *shown);
// One step back (-1) or forward (1) from the one shown, which is kept. The history owns the job;
// NULL: there is none.
const struct job *history_step(struct history *h, const struct job *shown, int by);

#endif

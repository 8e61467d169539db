// SPDX-License-Identifier: MIT
// The instructions that were in the composer before the one that is there: opening a picture, a
// template or an empty one replaces it, and nothing a person has written is lost by that. Goes
// through them as a shell goes through its lines. The UI's thread.
#ifndef LIMN_APP_UI_HISTORY_H
#define LIMN_APP_UI_HISTORY_H

#include <stdbool.h>

#include "app/job/job.h"

enum { HISTORY_MAX = 64 };

// Zeroed is empty.
struct history {
    struct job items[HISTORY_MAX]; // the oldest first
    int count, at;                 // at == count: what is shown is no item
    struct job newest;             // what was shown before the first step back
};

void history_finish(struct history *h);
// What is about to be replaced; forgotten when there is nothing in it, or when it is the last one
// already. Takes a copy.
void history_put(struct history *h, const struct job *shown);
// One step back (-1) or forth (1) from what is shown, which is kept. The job belongs to the
// history; NULL: there is no other.
const struct job *history_step(struct history *h, const struct job *shown, int by);

#endif

// SPDX-License-Identifier: MIT
// The parts of the live view: requests and pictures (view_live.c), the queue beside them
// (live_queue.c).
#ifndef LIMN_APP_UI_LIVE_H
#define LIMN_APP_UI_LIVE_H

#include "app/ui/draw.h"
#include "app/ui/tasks.h"
#include "app/ui/view.h"

struct live {
    int top;
    int frames_back; // how many frames before the newest is shown; 0: follow the newest
    bool single;     // shows one picture of a sweep or of a job by itself
    int picture;     // the selected picture of a job; -1: none, keys act on the job
    struct area list;
    int row; // lines per job in the list
    // Of a job with several pictures: the frame that was split, and its parts.
    struct image *tiles_of, *tiles[LIMIT_JOB_PICTURES];
};

struct live *live_of(const struct ui *ui);
const char *live_state_name(const struct task *t);
enum role live_state_role(const struct task *t);
struct image *live_newest(const struct task *t); // its last frame, borrowed; NULL: none
void live_draw_queue(struct ui *ui, const struct area *a);

#endif

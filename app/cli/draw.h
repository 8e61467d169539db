// SPDX-License-Identifier: MIT
// A job on the command line: through a worker, with progress, previews and files.
#ifndef LIMN_APP_CLI_DRAW_H
#define LIMN_APP_CLI_DRAW_H

#include "app/job/job.h"

struct draw_params {
    const char *host;    // through ssh; NULL: here
    const char *source;  // file of the template or picture; never overwritten; NULL: none
    const char *output;  // file; NULL: limn-SEED.png. Several: FILE-1.png, FILE-2.png …; "-":
                         // standard output, which then carries nothing else; not in the library
    const char *preview; // renderer/preview.h
    bool json, quiet;
    bool no_library; // do not record the job and its pictures (a library that fails is only a
                     // warning)
};

// One of several jobs of a sweep.
struct draw_item {
    struct job job; // read and settled
    char *label;    // on the sheet; NULL: a job by itself
};

// Draws the jobs one after the other, through one worker. Whether their files can be written is
// checked before anything is drawn; if writing fails all the same, the error says where the picture
// is. What was drawn before an error stays. Items with labels are a sweep: their pictures (count 1
// each) are FILE-1.png, FILE-2.png …, and FILE-sheet.png shows them all, `columns` in a row, and
// holds the sweep itself in `about` (sweep_json(); NULL without labels). ERR_CANCELLED after
// SIGINT, with nothing half-written.
bool draw(const struct draw_item *items, int count, int columns, const struct jv *about,
          const struct draw_params *params, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// What limn wrote into a picture (the job that it was drawn from, or the cells of a sweep's sheet),
// read in the background (ui->chores), because a stranger's picture may contain a lot.
#ifndef LIMN_APP_UI_OPENING_H
#define LIMN_APP_UI_OPENING_H

#include "app/job/sweep_sheet.h"
#include "app/ui/background.h"

struct opening {
    struct work work;
    char *file;       // owned
    int64_t number;   // the caller's
    int keys;         // that had been pressed when it was put
    void (*then)(struct ui *ui, struct opening *o); // on the UI's thread
    // What is in it: a sheet, else a job, else nothing, or `err` has the reason.
    bool has_sheet, has_job;
    struct sweep_sheet sheet;
    struct job job;
    struct err err;
};

// Nothing of it may be touched before `then` is called.
void opening_begin(struct ui *ui, const char *file,
                   void (*then)(struct ui *ui, struct opening *o), int64_t number);

#endif

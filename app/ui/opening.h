// SPDX-License-Identifier: MIT
// Reads what limn wrote into a picture (the job it was drawn from, or the cells of a sweep's sheet)
// in the background (ui->chores), because a stranger's picture may contain a lot.
#ifndef LIMN_APP_UI_OPENING_H
#define LIMN_APP_UI_OPENING_H

#include "app/job/sweep_sheet.h"
#include "app/ui/background.h"

struct opening {
    struct work work;
    char *file;       // owned
    int64_t number;   // the caller's
    int keys;         // ui_keys() when it was queued
    void (*then)(struct ui *ui, struct opening *o); // on the UI's thread
    // Results: a sheet, else a job, else nothing, or an error in `err`.
    bool has_sheet, has_job;
    struct sweep_sheet sheet;
    struct job job;
    struct err err;
};

// The struct must not be accessed before `then` is called with it.
void opening_begin(struct ui *ui, const char *file,
                   void (*then)(struct ui *ui, struct opening *o), int64_t number);

#endif

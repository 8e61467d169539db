// SPDX-License-Identifier: MIT
// Reads the reference pictures of jobs in the background (ui->chores) before the jobs are drawn or
// shown: first those retrieved from the index, then the files. Files may be large, disks slow, an
// index long.
#ifndef LIMN_APP_UI_READING_H
#define LIMN_APP_UI_READING_H

#include "app/base/process.h"
#include "app/job/job.h"
#include "app/ui/background.h"

struct reading {
    struct work work;
    struct job *jobs;   // `count`, empty at first; owned
    struct jv **sweeps; // of each job, `sweep_record` of struct task; NULL: of no sweep. Owned
    int count;
    char owner[PROCESS_NAME_MAX]; // former owner of the first job, which is claimed; "": none
    char *subject;                // the caller's; owned
    int form;                     // the serial of the form that requested it; 0: none
    bool idle;                    // may be dropped when limn ends
    void (*then)(struct ui *ui, struct reading *r); // on the UI's thread
    // Results.
    struct err err; // ERR_NONE: all of them are read
    bool claimed;   // another limn has claimed it; nothing was read
    char *notices;  // lines for the user; NULL: none
    int keys; // ui_keys() when it was queued
};

struct reading *reading_new(int count, void (*then)(struct ui *ui, struct reading *r));
void reading_put(struct ui *ui, struct reading *r); // takes ownership
// Whether no key was pressed since it was queued, so that its result may come into view.
bool reading_is_current(const struct ui *ui, const struct reading *r);
// Closes the form that requested it. False: the form was cancelled meanwhile, so drop the result.
bool reading_closes_form(struct ui *ui, const struct reading *r);

#endif

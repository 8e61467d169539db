// SPDX-License-Identifier: MIT
// Reads the pictures of jobs in the background (ui->chores) before they are drawn or shown: those
// from their index, then their files. Files may be large, disks slow, an index long.
#ifndef LIMN_APP_UI_READING_H
#define LIMN_APP_UI_READING_H

#include "app/base/process.h"
#include "app/job/job.h"
#include "app/ui/background.h"

struct reading {
    struct work work;
    struct job *jobs;    // `count`, empty at first; owned
    struct jv **sweeps;  // of each what one of a sweep keeps (struct task); NULL: it is none. Owned
    int count;
    char owner[PROCESS_NAME_MAX]; // whose the first job was, which is claimed; "": nobody's
    char *subject;                // the caller's; owned
    int form;                     // the serial of the form that asks for it; 0: none does
    bool idle;                    // of no use any more when limn ends
    void (*then)(struct ui *ui, struct reading *r); // on the UI's thread
    // What came of it.
    struct err err; // ERR_NONE: all of them are read
    bool taken;     // another limn has claimed it; nothing was read
    char *notices;  // lines for the person; NULL: none
    int keys; // that had been pressed when it was put
};

struct reading *reading_new(int count, void (*then)(struct ui *ui, struct reading *r));
void reading_put(struct ui *ui, struct reading *r); // takes it over
// Whether no key was pressed since it was put, so that its result may come into view.
bool reading_is_awaited(const struct ui *ui, const struct reading *r);
// Closes the form that asked for it. False: the form was cancelled meanwhile, so drop the result.
bool reading_closes_form(struct ui *ui, const struct reading *r);

#endif

// SPDX-License-Identifier: MIT
// The labelled sheet of a sweep: all its pictures in one, with the whole sweep inside (text
// `limn`), so that it can be drawn again from the sheet alone. Each cell is stored as the job in
// its own picture, references included; a reference that several cells share is stored once.
#ifndef LIMN_APP_JOB_SWEEP_SHEET_H
#define LIMN_APP_JOB_SWEEP_SHEET_H

#include "app/job/sweep.h"
#include "renderer/image/image.h"

struct sheet_cell {
    struct job job;      // if drawn: as stored in its picture (job_from_png_in())
    char *label;
    struct image *image; // NULL: not drawn, or the sheet was read
};

struct sweep_sheet {
    struct sheet_cell *cells;
    int count, columns;
    struct jv *about; // sweep_json()
    char *asked; // of a sheet that was read: "model X, device Y", ignored; NULL: none
};

void sweep_sheet_begin(struct sweep_sheet *s, int count, int columns); // empty cells
void sweep_sheet_finish(struct sweep_sheet *s); // zeroed is fine

bool sweep_sheet_write(const struct sweep_sheet *s, const char *file, struct err *err);
// A sheet may come from a stranger: the model, device and number type it names go into `asked`, not
// into its jobs, and its references are the bytes inside it. False with no error set: the file is
// not a PNG, or holds no sweep.
bool sweep_sheet_read(struct sweep_sheet *s, const char *path, struct err *err);
// Whether a parameter ("seed", "steps") or a variable was swept.
bool sweep_sheet_has(const struct sweep_sheet *s, const char *name);

#endif

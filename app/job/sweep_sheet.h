// SPDX-License-Identifier: MIT
// The labelled sheet of a sweep: one picture of all its pictures, with the whole sweep inside (text
// `limn`), so that it can be drawn again from its sheet alone. Each cell is a job as its own
// picture has it, references whole; a reference that several cells share is in it once.
#ifndef LIMN_APP_JOB_SWEEP_SHEET_H
#define LIMN_APP_JOB_SWEEP_SHEET_H

#include "app/job/sweep.h"
#include "renderer/image/image.h"

struct sheet_cell {
    struct job job;      // of a cell that was drawn: as its picture has it (job_from_png_in)
    char *label;
    struct image *image; // NULL: not drawn, or the sheet was read
};

struct sweep_sheet {
    struct sheet_cell *cells;
    int count, columns;
    struct jv *about; // sweep_json()
    char *asked; // of one that was read: "model X, device Y", which is not followed; NULL: nothing
};

void sweep_sheet_begin(struct sweep_sheet *s, int count, int columns); // empty cells
void sweep_sheet_finish(struct sweep_sheet *s); // zeroed is fine

bool sweep_sheet_write(const struct sweep_sheet *s, const char *file, struct err *err);
// A sheet may be a stranger's: model, device and number type that it names are in `asked` and not
// in its jobs, its references are the bytes that it holds. False without error set: there is no
// sweep in that picture, or it is no PNG.
bool sweep_sheet_read(struct sweep_sheet *s, const char *path, struct err *err);
// Whether a parameter ("seed", "steps") or a variable was swept.
bool sweep_sheet_has(const struct sweep_sheet *s, const char *name);

#endif

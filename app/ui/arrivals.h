// SPDX-License-Identifier: MIT
// Pictures that come into the UI, from a worker or from people: kept, read, entered into the
// library and decoded in the background (ui->arrivals), so that neither a disk nor a decoder holds
// up a key.
#ifndef LIMN_APP_UI_ARRIVALS_H
#define LIMN_APP_UI_ARRIVALS_H

#include "app/job/job.h"
#include "app/ui/background.h"
#include "renderer/image/image.h"

enum arrival_kind {
    ARRIVAL_RESULT = 0, // a worker's: `png` becomes `file`, enters the library, and is decoded
    ARRIVAL_LOOK,       // what a loader made, `png`: decoded
    ARRIVAL_EARLIER,    // a result that `file` has held since an earlier limn: decoded
    ARRIVAL_ADDED,      // `file` is to be a reference: whether it is a picture
};

struct arrival {
    struct work work;
    enum arrival_kind kind;
    char job[JOB_ID_TEXT]; // RESULT, EARLIER
    int index;
    bool late;
    char *file;   // owned; NULL: none
    uint8_t *png; // owned; NULL: it arrived without its data
    size_t png_size;

    // What came of it.
    bool kept;          // RESULT: `file` holds it. ADDED: it can be read
    bool differs;       // RESULT: `file` was there, with other bytes, and stays as it was
    struct err refused; // why it was not kept
    struct err unentered; // RESULT: why it is not in the library
    struct image *image;          // NULL: it could not be decoded, or was not to be
};

// Empty; to be filled and put (background_put()).
struct arrival *arrival_new(enum arrival_kind kind);
void ui_arrived(struct ui *ui, struct arrival *a); // ui.c: tasks, session and views are told

#endif

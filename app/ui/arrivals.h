// SPDX-License-Identifier: MIT
// Pictures that enter the UI, from a worker or from the user. They are written, read, entered into
// the library and decoded in the background (ui->arrivals), so that no key waits for a disk or a
// decoder.
#ifndef LIMN_APP_UI_ARRIVALS_H
#define LIMN_APP_UI_ARRIVALS_H

#include "app/job/job.h"
#include "app/ui/background.h"
#include "renderer/image/image.h"

enum arrival_kind {
    ARRIVAL_RESULT = 0, // a worker's: `png` is written to `file`, entered, and decoded
    ARRIVAL_OUTPUT,     // a loader's output, `png`: decoded
    ARRIVAL_EARLIER,    // a result in `file`, from an earlier run of limn: decoded
    ARRIVAL_MASK,       // a mask inside an instruction, `png`, which any picture may be: decoded
    ARRIVAL_ADDED,      // `file` will be a reference: checks that it is a picture
};

struct arrival {
    struct work work;
    enum arrival_kind kind;
    char job[JOB_ID_TEXT]; // RESULT, EARLIER
    int index; // of the picture in its job; LOOK, MASK: its number
    bool late; // RESULT: of an earlier connection, from the worker's spool
    char *file;   // owned; NULL: none
    uint8_t *png; // owned; NULL: it arrived without its data
    size_t png_size;

    // Results.
    bool kept;          // RESULT: `file` holds it. ADDED: it can be read; for the views: it is
                        // now the last reference
    bool differs;       // RESULT: `file` existed with other bytes, and is left unchanged
    struct err refused; // why it was not kept
    struct err library_error; // RESULT: why it is not in the library
    struct image *image;          // NULL: not decoded, or failed to decode
};

// An empty one; fill it in and pass it to background_put().
struct arrival *arrival_new(enum arrival_kind kind);
void ui_arrived(struct ui *ui, struct arrival *a); // ui.c: informs tasks, session and views

#endif

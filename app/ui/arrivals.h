// SPDX-License-Identifier: MIT
// Pictures that come into the UI, from a worker or from people: kept, read and decoded on a thread
// of their own, one after the other, so that neither a disk nor a decoder holds up a key. What
// came of each is handed out in the same order, once.
#ifndef LIMN_APP_UI_ARRIVALS_H
#define LIMN_APP_UI_ARRIVALS_H

#include "app/library/library.h"
#include "renderer/image/image.h"

enum arrival_kind {
    ARRIVAL_RESULT = 0, // a worker's: `png` becomes `file`, is read for the library, and decoded
    ARRIVAL_LOOK,       // what a loader made, `png`: decoded
    ARRIVAL_EARLIER,    // a result that `file` has held since an earlier limn: decoded
    ARRIVAL_ADDED,      // `file` is to be a reference: whether it is a picture
};

struct arrival {
    enum arrival_kind kind;
    char job[JOB_ID_TEXT]; // RESULT, EARLIER
    int index;
    bool late;
    char *file;   // owned; NULL: none
    uint8_t *png; // owned; NULL: it came without its data
    size_t png_size;

    // What came of it.
    bool kept;          // RESULT: `file` holds it. ADDED: it can be read
    bool differs;       // RESULT: `file` was there, with other bytes, and stays as it was
    struct err refused; // why it was not kept
    struct library_picture
        known; // RESULT: what it says of itself; without a file: nothing, for which
    struct err unread;            // this is the reason
    struct image *image;          // NULL: it could not be decoded, or was not to be
};

struct arrivals;

struct arrivals *arrivals_open(struct err *err); // NULL: no thread
// What has not been handed out is forgotten. NULL is fine.
void arrivals_close(struct arrivals *a);
int arrivals_fd(const struct arrivals *a); // readable when arrivals_next() has something

void arrivals_put(struct arrivals *a, struct arrival *one); // from mem_alloc(); takes it over
// So much waits that nothing more should be read from the worker before arrivals_next() gave some.
bool arrivals_full(struct arrivals *a);
bool arrivals_busy(struct arrivals *a); // something waits, or has not been handed out
struct arrival *arrivals_next(struct arrivals *a); // NULL: none now; freed with arrival_free()
// At the end: decodes no more, keeps what waits; the next of it, NULL: that was all.
struct arrival *arrivals_last(struct arrivals *a);
void arrival_free(struct arrival *one); // NULL is fine

#endif

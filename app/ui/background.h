// SPDX-License-Identifier: MIT
// A queue of work that may take long (a large file, a slow disk, a library locked by another
// process, a decoder), done in order on a thread of its own, so that no key waits for it. Results
// are returned in the same order, once each, on the UI's thread.
#ifndef LIMN_APP_UI_BACKGROUND_H
#define LIMN_APP_UI_BACKGROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

struct library;
struct ui;

// Must be the first member of each kind of work, so that a pointer to one converts to the other.
struct work {
    // Runs on the queue's thread: uses only the work itself and `library`, the thread's own
    // connection (NULL: none). *stopping becomes true when limn is ending: then do only what must
    // not be lost.
    void (*run)(struct work *w, struct library *library, const atomic_int *stopping);
    void (*done)(struct ui *ui, struct work *w); // on the UI's thread
    void (*release)(struct work *w);             // frees it, whether it was run or not
    size_t bytes;                                // held until it has run
    bool unawaited;                              // background_wait() does not wait for it
    struct work *next;                           // the queue's own
};

struct background;

// Opens `library` once more for the thread; NULL: none. Returns NULL if the thread or a descriptor
// cannot be created, or the library cannot be opened.
struct background *background_open(const struct library *library, struct err *err);
// Waits for the work in progress; drops what is queued or not yet returned. NULL is fine.
void background_close(struct background *b);
int background_fd(const struct background *b); // readable when background_next() has something

void background_put(struct background *b, struct work *w); // takes ownership; from mem_zalloc()
// Whether so much is queued that nothing should be added until background_next() has returned some.
bool background_full(struct background *b);
bool background_busy(struct background *b); // work is queued, or not yet returned
// The next result, freed with release(). NULL: none now; call it until then, as background_fd()
// reports all results at once.
struct work *background_next(struct background *b);
// Waits up to `ms` milliseconds until the work added since the last call, except that marked
// `unawaited`, is done, so that quick work appears immediate.
void background_wait(struct background *b, int ms);
// At exit: sets *stopping, then waits for the next result and returns it. NULL: that was all, or
// ui_now() has reached `until`.
struct work *background_drain(struct background *b, double until);

#endif

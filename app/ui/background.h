// SPDX-License-Identifier: MIT
// Work that may take long (a large file, a slow disk, a library that another process has locked, a
// decoder), done on a thread of its own, one after the other in the order in which it was given, so
// that no key waits for it. What comes of it is handed out in the same order, once, to the UI's
// thread.
#ifndef LIMN_APP_UI_BACKGROUND_H
#define LIMN_APP_UI_BACKGROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

struct library;
struct ui;

// The first member of what is to be done, so that one is the other's beginning.
struct work {
    // On the thread: touches what it holds, and `library`, which is the thread's own connection
    // (NULL: there is none). *hurry: limn ends, and only what must not be lost is still of use.
    void (*run)(struct work *w, struct library *library, const atomic_int *hurry);
    void (*done)(struct ui *ui, struct work *w); // on the UI's thread
    void (*release)(struct work *w);             // frees it, whether it was run or not
    size_t bytes;                                // that it holds while it waits
    struct work *next;                           // the queue's own
};

struct background;

// `library` is opened once more for the thread; NULL: it has none. NULL: no thread, no descriptor,
// or that library cannot be opened.
struct background *background_open(const struct library *library, struct err *err);
// What has not been handed out is forgotten. NULL is fine.
void background_close(struct background *b);
int background_fd(const struct background *b); // readable when background_next() has something

void background_put(struct background *b, struct work *w); // from mem_zalloc(); takes it over
// So much waits that nothing more should be taken in before background_next() gave some.
bool background_full(struct background *b);
bool background_busy(struct background *b); // something waits, or has not been handed out
struct work *background_next(struct background *b); // NULL: none now; freed with release()
// Waits until what was put since the last call is through, at most `ms` milliseconds, so that what
// takes no time seems to take none. False: nothing was put.
bool background_settle(struct background *b, int ms);
// At the end, in a hurry: the next of what waits. NULL: that was all, or ui_now() has reached
// `until`.
struct work *background_last(struct background *b, double until);

#endif

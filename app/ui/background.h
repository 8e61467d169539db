// SPDX-License-Identifier: MIT
// Work that may take long (a large file, a slow disk, a library that another process has locked, a
// decoder), done on a thread of its own, in the order it was given, so that no key waits for it.
// Results are handed out in the same order, once, to the UI's thread.
#ifndef LIMN_APP_UI_BACKGROUND_H
#define LIMN_APP_UI_BACKGROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

struct library;
struct ui;

// A piece of work begins with this struct, so that a pointer to one is a pointer to the other.
struct work {
    // Runs on the thread: uses what it holds and `library`, the thread's own connection (NULL:
    // there is none). *hurry: limn is ending, so do only what must not be lost.
    void (*run)(struct work *w, struct library *library, const atomic_int *hurry);
    void (*done)(struct ui *ui, struct work *w); // on the UI's thread
    void (*release)(struct work *w);             // frees it, whether it was run or not
    size_t bytes;                                // that it holds while it waits
    bool aside; // no key and no screen waits for it: background_settle() does not
    struct work *next;                           // the queue's own
};

struct background;

// `library` is opened again for the thread; NULL: none. Returns NULL if there is no thread or
// descriptor, or the library cannot be opened.
struct background *background_open(const struct library *library, struct err *err);
// Drops what has not been handed out. NULL is fine.
void background_close(struct background *b);
int background_fd(const struct background *b); // readable when background_next() has something

void background_put(struct background *b, struct work *w); // from mem_zalloc(); takes it over
// Whether so much is waiting that nothing should be added until background_next() has returned
// some.
bool background_full(struct background *b);
bool background_busy(struct background *b); // something waits, or has not been handed out
struct work *background_next(struct background *b); // NULL: none now; freed with release()
// Waits, at most `ms` milliseconds, until what was added since the last call and is not aside is
// done, so that quick work seems immediate.
void background_settle(struct background *b, int ms);
// At the end, in a hurry: runs and returns the next piece of work. NULL: that was all, or ui_now()
// has reached `until`.
struct work *background_last(struct background *b, double until);

#endif

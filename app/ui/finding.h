// SPDX-License-Identifier: MIT
// Searches of the library in the background (ui->chores), so that they see all earlier entries and
// no key waits for a disk or another process's lock.
#ifndef LIMN_APP_UI_FINDING_H
#define LIMN_APP_UI_FINDING_H

#include "app/library/library.h"
#include "app/ui/background.h"

struct finding {
    struct work work;
    char *search; // owned
    enum library_sort sort;
    int limit;
    int64_t number; // the caller's
    void (*then)(struct ui *ui, struct finding *f); // on the UI's thread; may take `list`
    // Results.
    struct library_list list;
    struct err err; // ERR_NONE: `list` was read
};

// Does nothing without a library.
void finding_begin(struct ui *ui, const char *search, enum library_sort sort, int limit,
                   void (*then)(struct ui *ui, struct finding *f), int64_t number);

#endif

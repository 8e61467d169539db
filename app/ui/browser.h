// SPDX-License-Identifier: MIT
// A folder's entries for the file browser: folders first, then pictures, filtered, sorted as people
// count (a2 before a10). No screen here.
#ifndef LIMN_APP_UI_BROWSER_H
#define LIMN_APP_UI_BROWSER_H

#include <stdbool.h>

#include "engine/base/err.h"

struct browser_entry {
    char *name; // bytes as the file system has them
    bool folder;
};

struct browser {
    char *folder; // absolute
    struct browser_entry *all;
    int all_count;
    int *seen; // those that the filter lets through
    int count, selected, top;
    char filter[128]; // letters that must occur, in any case
    bool hidden;      // shows names that begin with a dot
};

bool browser_open(struct browser *b, const char *folder,
                  struct err *err); // keeps the old one when it fails
void browser_finish(struct browser *b);
void browser_filter(struct browser *b, const char *filter);
// Into the chosen folder; false: it is none.
bool browser_enter(struct browser *b, struct err *err);
bool browser_up(struct browser *b, struct err *err); // the folder it came from is chosen
const struct browser_entry *browser_chosen(const struct browser *b); // NULL: none
char *browser_path(const struct browser *b); // of the chosen one, freed with free(); NULL: none

#endif

// SPDX-License-Identifier: MIT
// A folder's entries for the file browser: folders first, then pictures, filtered, sorted by name
// in natural order (a2 before a10), by time or by size. Knows nothing of the screen.
#ifndef LIMN_APP_UI_BROWSER_H
#define LIMN_APP_UI_BROWSER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

struct browser_entry {
    char *name; // bytes as the file system has them
    bool folder;
    bool marked;
    int64_t size, changed; // bytes, seconds since 1970; 0 when not known
};

enum browser_sort { BROWSER_BY_NAME = 0, BROWSER_NEWEST, BROWSER_LARGEST, BROWSER_SORT_COUNT };

// Suffixes of what libvips reads. The content decides later; suffixes keep the list short.
extern const char *const browser_pictures[];

struct browser {
    const char *const *suffixes; // of the files that are shown, NULL at the end; NULL: pictures
    char *folder; // absolute
    struct browser_entry *all;
    int all_count;
    int *seen; // those that pass the filter
    int count, selected, top;
    char filter[128]; // letters that must occur, in any case
    bool hidden;      // shows names that begin with a dot
    enum browser_sort sort;
    int mark_count;
    bool cut; // there are more than LIMIT_BROWSER_ENTRIES
};

bool browser_open(struct browser *b, const char *folder,
                  struct err *err); // keeps the old one when it fails
void browser_finish(struct browser *b);
void browser_filter(struct browser *b, const char *filter);
// Opens the chosen folder; false if it is not one.
bool browser_enter(struct browser *b, struct err *err);
bool browser_up(struct browser *b, struct err *err); // the folder it came from is chosen
const struct browser_entry *browser_chosen(const struct browser *b); // NULL: none
// Reads the folder again with changed settings; the chosen entry stays chosen.
bool browser_again(struct browser *b, struct err *err);
void browser_mark(struct browser *b); // marks the chosen picture, or unmarks it
// Path of the first marked entry, which is unmarked; NULL: none is marked. Freed with free().
char *browser_next_marked(struct browser *b);
void browser_clamp(struct browser *b); // the chosen line into the list
// Chooses the entry of that name, if it is shown.
void browser_select(struct browser *b, const char *name);
char *browser_path(const struct browser *b); // of the chosen one, freed with free(); NULL: none

#endif

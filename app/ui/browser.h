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

// Suffixes of the pictures that libvips reads, to keep the list short; the content decides later.
extern const char *const browser_pictures[];

struct browser {
    const char *const *suffixes; // of the files to show, NULL at the end; NULL: pictures
    char *folder; // absolute
    struct browser_entry *all;
    int all_count;
    int *seen; // those that pass the filter
    int count, selected, top;
    char filter[128]; // what names must contain, in any case
    bool hidden;      // whether names that begin with a dot are shown
    enum browser_sort sort;
    int mark_count;
    bool cut; // the folder has more than LIMIT_BROWSER_ENTRIES
};

bool browser_open(struct browser *b, const char *folder,
                  struct err *err); // keeps the old folder on failure
void browser_finish(struct browser *b);
void browser_filter(struct browser *b, const char *filter);
// Opens the selected folder; false if it is not one, or cannot be opened (then `err` is set).
bool browser_enter(struct browser *b, struct err *err);
bool browser_up(struct browser *b, struct err *err); // selects the folder it came from
// The selected entry; NULL: none.
const struct browser_entry *browser_chosen(const struct browser *b);
// Reads the folder again with changed settings; keeps the filter and the selection.
bool browser_reload(struct browser *b, struct err *err);
void browser_mark(struct browser *b); // marks the selected file, or unmarks it
// Path of the first marked entry, which is unmarked; NULL: none is marked. Freed with free().
char *browser_next_marked(struct browser *b);
void browser_clamp(struct browser *b); // moves `selected` into the list's range
// Selects the entry of that name, if it is shown.
void browser_select(struct browser *b, const char *name);
char *browser_path(const struct browser *b); // of the selected entry, freed with free(); NULL: none

#endif

// SPDX-License-Identifier: MIT
// What the gallery is made of: its list and requests (view_gallery.c), drawing (gallery_draw.c),
// and the comparison of what is marked (gallery_compare.c).
#ifndef LIMN_APP_UI_GALLERY_H
#define LIMN_APP_UI_GALLERY_H

#include "app/library/library.h"
#include "app/ui/draw.h"
#include "app/ui/view.h"

// What a search may say besides words and tags.
#define GALLERY_SEARCH                                                                            \
    "words  #tag  *3  model:icons  template:edge  seed:7  on:2026-11  since: until:"

enum { MARKS_MAX = 256, COMPARED_MAX = 6, UNDO_MAX = 256, ZOOM_MAX = 5, SEARCH_TEXT = 256 };

struct gallery {
    struct library_list list;
    bool listed;   // it has been read
    int64_t asked; // how often it was asked for: what is not the last answer is old
    int64_t choose; // when it comes; 0: what is chosen stays chosen
    int selected, top; // top: row of tiles
    int across, down;  // tiles that were drawn
    int zoom;          // of ZOOM_MAX sizes; 0 is the usual one, below it smaller ones
    bool zoomed;       // a person chose it; else few pictures are larger
    char search[SEARCH_TEXT], before[SEARCH_TEXT]; // before: what Esc brings back
    enum library_sort sort;
    int64_t marked[MARKS_MAX]; // in the order they were marked
    int mark_count;
    bool large; // one picture, or, while `compared`, those that are marked
    // The comparison: what is inside the first of the marked.
    struct job jobs[COMPARED_MAX];
    bool read[COMPARED_MAX], unread[COMPARED_MAX]; // it has a job; that is not known yet
    int compared; // how many; 0: it is one picture
    int side;     // which of them is chosen
    bool in_place, difference; // one at a time in the same place; where the first two differ
    struct image *differs;     // that difference; NULL: not made yet
    struct { int64_t id; int batch; } removed[UNDO_MAX];
    int removed_count, batch;
    struct area tiles;
};

struct gallery *gallery_of(const struct ui *ui);
// NULL: it is not listed.
struct library_picture *gallery_by_id(const struct gallery *g, int64_t id);
struct library_picture *gallery_chosen(const struct ui *ui); // what keys act on; NULL: none
bool gallery_is_marked(const struct gallery *g, int64_t id);

void gallery_draw(struct ui *ui, const struct area *a);

void gallery_stars(char *out, int rating); // at most 3 bytes each

void gallery_contact_sheet(struct ui *ui); // asks for its file (contact.c)

void gallery_compare(struct ui *ui, int64_t chosen); // what is marked
void gallery_compare_end(struct gallery *g);
void gallery_draw_compared(struct ui *ui, const struct area *a);
bool gallery_compare_request(struct ui *ui, enum request request); // false: it is not its own

#endif

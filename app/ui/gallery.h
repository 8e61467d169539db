// SPDX-License-Identifier: MIT
// The parts of the gallery: its list and requests (view_gallery.c), drawing (gallery_draw.c), and
// the comparison of marked pictures (gallery_compare.c).
#ifndef LIMN_APP_UI_GALLERY_H
#define LIMN_APP_UI_GALLERY_H

#include "app/library/library.h"
#include "app/ui/draw.h"
#include "app/ui/view.h"

// The syntax of a search, shown as its hint.
#define GALLERY_SEARCH                                                                            \
    "words  #tag  *3  model:icons  template:edge  seed:7  on:2026-11  since: until:"

enum { MARKS_MAX = 256, COMPARED_MAX = 6, UNDO_MAX = 256, ZOOM_MAX = 5, SEARCH_TEXT = 256 };

struct gallery {
    struct library_list list;
    bool listed;       // it has been read
    int64_t query;     // number of the latest search; earlier answers are dropped
    int64_t choose;    // id to select when the list arrives; 0: keep the selection
    int selected, top; // top: row of tiles
    int columns, rows; // tiles that were drawn
    int zoom;          // 2 - ZOOM_MAX to ZOOM_MAX; 0: the usual size; negative: smaller
    bool zoomed;       // by the user; else few pictures are shown larger
    char search[SEARCH_TEXT], previous_search[SEARCH_TEXT]; // the latter: restored by Esc
    enum library_sort sort;
    int64_t marked[MARKS_MAX]; // in the order they were marked; compared ones come first
    int mark_count;
    bool large; // one picture or, if `compared`, the marked ones
    // The comparison: the jobs inside the first marked pictures.
    struct job jobs[COMPARED_MAX];
    bool read[COMPARED_MAX], unread[COMPARED_MAX]; // it has a job; it has not been read yet
    int compared; // how many; 0: it is one picture
    int side;     // which of them is selected
    bool in_place, difference; // one at a time in the same place; the difference of the first two
    struct image *differs;     // that difference; NULL: not made yet
    struct { int64_t id; int batch; } removed[UNDO_MAX];
    int removed_count, batch;
    struct area tiles;
};

struct gallery *gallery_of(const struct ui *ui);
// NULL: it is not listed.
struct library_picture *gallery_by_id(const struct gallery *g, int64_t id);
struct library_picture *gallery_chosen(const struct ui *ui); // the selected one; NULL: none
bool gallery_is_marked(const struct gallery *g, int64_t id);

void gallery_draw(struct ui *ui, const struct area *a);

enum { GALLERY_RATING_TEXT = 32 };
void gallery_stars(char *out, int rating); // at most 3 bytes each
void gallery_rating(char *out, int rating); // the same; for screen readers "4 stars"

void gallery_contact_sheet(struct ui *ui); // prompts for its file name (contact.c)

void gallery_compare(struct ui *ui, int64_t chosen); // compares the marked pictures
void gallery_compare_end(struct gallery *g);
void gallery_draw_compared(struct ui *ui, const struct area *a);
bool gallery_compare_request(struct ui *ui, enum request request); // false: it is not its own

#endif

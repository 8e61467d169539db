// SPDX-License-Identifier: MIT
// The composer, the view that assembles an instruction: requests (view_compose.c), files
// (compose_files.c), the selected reference's output and form (compose_reference.c), drawing
// (compose_draw.c), writing (compose_write.c).
#ifndef LIMN_APP_UI_COMPOSE_H
#define LIMN_APP_UI_COMPOSE_H

#include "app/job/job.h"
#include "app/ui/browser.h"
#include "app/ui/view.h"

struct painter;

enum pane { PANE_FILES = 0, PANE_TEXT, PANE_REFERENCES, PANE_COUNT };
enum { OUTPUT_SIDE = 256 }; // pixels, of the output asked of the worker

struct compose {
    struct browser browser;
    char *chosen_in; // the folder of the last file picked in a form; NULL: none yet
    char *bookmarks; // folders, one per line; NULL: not read yet
    enum pane pane;
    int reference, top; // the selected reference; the first one shown
    // The loader's output for the selected reference: the latest answer, and the current request.
    struct image *after;
    char output_key[8 << 10];
    char output_error[ERR_TEXT_MAX]; // why there is no output; "": nothing
    int output_requests;             // how many were requested so far
    bool waiting;                    // for the last of them
    bool first_run;                  // nothing has been drawn yet
    bool written;                    // something was typed since the text got the focus
    struct job_reference removed;    // for undo
    int removed_at;                  // its place in the list
    bool has_removed;
    struct job before; // state before a reference's form was opened, for Esc
    bool has_before;
    struct painter *painter; // of a mask; NULL: none is being painted
    int masks;               // how many of them were decoded for it so far
    struct image *painted;   // the last mask that was painted; NULL: none
    char painted_hash[JOB_HASH_TEXT]; // of its PNG
    // Where they were drawn, for the mouse; `files` is the list in its pane.
    struct area pane_of_files, files, text, references;
};

struct compose *compose_of(const struct ui *ui);
void compose_focus(struct compose *c, enum pane pane);
struct job_reference *compose_chosen(struct ui *ui);
bool compose_files_request(struct ui *ui, enum request request); // compose_files.c
bool compose_references_request(struct ui *ui, enum request request);
void compose_request_output(struct ui *ui);
void compose_on_event(struct ui *ui, struct client_event *e);
void compose_on_arrival(struct ui *ui, struct arrival *a);
bool compose_waits(const struct ui *ui);
const struct jv *compose_loader_json(const struct ui *ui, const char *name);
void compose_open_reference_form(struct ui *ui, struct job_reference *r, int selected);
void compose_draw(struct ui *ui, const struct area *a);
bool compose_is_typing(const struct ui *ui);
const char *compose_typing_hint(const struct ui *ui);
bool compose_on_key(struct ui *ui, wint_t key, bool code);
void compose_on_paste(struct ui *ui, const char *text);
void compose_on_mouse(struct ui *ui, int y, int x, int turn, bool double_click);

#endif

// SPDX-License-Identifier: MIT
// The terminal UI. One thread: ui_run() waits for keys, the worker, results of background work
// (background.h) and the canvas. Views are tables of functions (view.h), one file each. A key
// becomes a request (requests.def), which goes to the popup, then the view, then here. All text is
// drawn each time into curses' window, and what changed is sent; pictures follow through the
// canvas.
//
// This header is what every view may use. What views share otherwise has its own headers: the
// instruction being assembled (session.h), its jobs (tasks.h), forms (form.h), drawing (draw.h).
// The parts of the UI itself are in ui_parts.h, which views must not include.
#ifndef LIMN_APP_UI_UI_H
#define LIMN_APP_UI_UI_H

#include <stdbool.h>
#include <stdint.h>

#include "app/ui/keys.h"
#include "app/ui/theme.h"

struct ui;
struct jv;

enum { UI_COLUMNS_MIN = 40, UI_ROWS_MIN = 12, UI_LOG_MAX = 1000 };

struct ui_params {
    const char *host;    // NULL: the worker is here
    const char *theme;   // NULL: the one that was chosen before
    const char *preview; // how pictures are shown; NULL: as the terminal can
    const char *script;  // script.h; NULL: keys alone
    bool plain;          // for screen readers: no lines, no pictures, the cursor at what is chosen
};
// Returns an exit code.
int ui_run(const struct ui_params *params);

double ui_now(void); // seconds, monotonic
int ui_keys(const struct ui *ui); // how many have been pressed
void ui_redraw(struct ui *ui); // once all that has come is dealt with
// Redraws the view at `when`, a time of ui_now(), unless it is drawn before.
void ui_wake(struct ui *ui, double when);

// --- views
void ui_open_view(struct ui *ui, enum view_id view);
enum view_id ui_view(const struct ui *ui);        // that is open
enum view_id ui_view_before(const struct ui *ui); // that is gone back to
void *ui_state(const struct ui *ui, enum view_id view);
bool ui_request(struct ui *ui, enum request request); // true: done
bool ui_command(struct ui *ui, const char *line);     // as typed behind ":"

// --- messages and questions
__attribute__((format(printf, 3, 4))) void ui_say(struct ui *ui, enum role role, const char *format,
                                                  ...);
void ui_log(struct ui *ui, enum role role, const char *text);
void ui_prompt(struct ui *ui, const char *label, const char *text,
               void (*done)(struct ui *ui, const char *text));
// The same, and `changed` gets the text after each key, so that a filter works as one types.
void ui_prompt_live(struct ui *ui, const char *label, const char *text,
                    void (*changed)(struct ui *ui, const char *text),
                    void (*done)(struct ui *ui, const char *text));
// What the last line says while one types, before how to end it; not copied.
void ui_prompt_hint(struct ui *ui, const char *hint);
void ui_ask(struct ui *ui, const char *question, const char *answers,
            void (*answered)(struct ui *ui, char answer));
const char *ui_message(const struct ui *ui); // what is said now; ""
void ui_hush(struct ui *ui);                 // takes it back
struct log_entry {
    enum role role;
    int64_t when; // seconds since 1970
    char *text;
};
// The oldest first; *count of them, until the next one is said.
const struct log_entry *ui_log_entries(const struct ui *ui, int *count);

// --- what it works with, borrowed
struct client *ui_client(const struct ui *ui);
const char *ui_host(const struct ui *ui);            // NULL: the worker is here
const struct jv *ui_loaders(const struct ui *ui);    // as the worker described them; NULL: not yet
const struct jv *ui_machine(const struct ui *ui);    // the same
struct library *ui_library(const struct ui *ui);     // NULL: none to be had
// Background work: what comes from the worker and from people (arrivals.h); and what is read and
// written for it: pictures of jobs (reading.h), the library (entry.h), sheets.
struct background *ui_arrivals(const struct ui *ui);
struct background *ui_chores(const struct ui *ui);
struct window_link *ui_window(const struct ui *ui);  // NULL: none

// Restores the terminal as it was before limn, calls `run`, and takes it again.
void ui_give_screen(struct ui *ui, void (*run)(void *ctx), void *ctx);

#endif

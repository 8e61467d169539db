// SPDX-License-Identifier: MIT
// The terminal UI. One thread: ui_run() waits for keys, the worker, results of background work
// (background.h) and the canvas. Views are tables of functions (view.h), one file each. A key
// becomes a request (requests.def), which goes to the popup, then the view, then here. All text is
// redrawn into curses' window each time, and the changes are sent; pictures follow through the
// canvas.
//
// Every view may use this header. Other things that views share have headers of their own: the
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
    const char *host;    // NULL: the worker runs on this machine
    const char *theme;   // NULL: $LIMN_THEME, the last one set, or what suits the terminal
    const char *preview; // how to show pictures; NULL: the best the terminal can do
    const char *script;  // script.h; NULL: none
    bool plain;          // for screen readers: no lines or pictures, the cursor on the selection
};
// Runs until the user quits; returns an exit code.
int ui_run(const struct ui_params *params);

double ui_now(void); // seconds, monotonic
int ui_keys(const struct ui *ui); // number of keys pressed so far
void ui_redraw(struct ui *ui); // after all pending input has been handled
// Redraws the view at `when`, by ui_now(), unless it is drawn before; the last call counts.
void ui_wake(struct ui *ui, double when);

// --- views
void ui_open_view(struct ui *ui, enum view_id view);
enum view_id ui_view(const struct ui *ui);          // the open one
enum view_id ui_previous_view(const struct ui *ui); // the one to go back to
void *ui_state(const struct ui *ui, enum view_id view);
bool ui_request(struct ui *ui, enum request request); // true: done
bool ui_command(struct ui *ui, const char *line);     // as typed after ":"

// --- messages and questions
// Shows a message; errors and warnings also go to the log.
__attribute__((format(printf, 3, 4))) void ui_say(struct ui *ui, enum role role, const char *format,
                                                  ...);
void ui_log(struct ui *ui, enum role role, const char *text);
// Asks for a line, `text` at first; `done` gets it, or NULL after Esc.
void ui_prompt(struct ui *ui, const char *label, const char *text,
               void (*done)(struct ui *ui, const char *text));
// The same, and calls `changed` with the text after each key, so that a filter acts while one
// types.
void ui_prompt_live(struct ui *ui, const char *label, const char *text,
                    void (*changed)(struct ui *ui, const char *text),
                    void (*done)(struct ui *ui, const char *text));
// The hint shown in the last line during the prompt; not copied.
void ui_prompt_hint(struct ui *ui, const char *hint);
// Asks for a letter of `answers`; `answered` gets it, or 0 for any other key.
void ui_ask(struct ui *ui, const char *question, const char *answers,
            void (*answered)(struct ui *ui, char answer));
const char *ui_message(const struct ui *ui); // the message shown now; "": none
void ui_clear_message(struct ui *ui);        // removes it
struct log_entry {
    enum role role;
    int64_t when; // seconds since 1970
    char *text;
};
// The oldest first, *count of them; valid until the next message.
const struct log_entry *ui_log_entries(const struct ui *ui, int *count);

// --- what the UI works with; all borrowed
struct client *ui_client(const struct ui *ui);
const char *ui_host(const struct ui *ui);            // NULL: the worker runs on this machine
const struct jv *ui_loaders(const struct ui *ui);    // as the worker described them; NULL: not yet
const struct jv *ui_machine(const struct ui *ui);    // the same
struct library *ui_library(const struct ui *ui);     // NULL: it could not be opened
// Two queues of background work: arrivals, for pictures from the worker and the user (arrivals.h);
// chores, for the pictures of jobs (reading.h), the library (entry.h) and sheets.
struct background *ui_arrivals(const struct ui *ui);
struct background *ui_chores(const struct ui *ui);
struct window_link *ui_window(const struct ui *ui);  // NULL: none

// Restores the terminal to its state before limn, calls `run`, and takes it over again.
void ui_suspend(struct ui *ui, void (*run)(void *ctx), void *ctx);

#endif

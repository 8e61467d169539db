// SPDX-License-Identifier: MIT
// The internals of the UI: the loop (ui.c), requests (actions.c), the handling of keys (dispatch.c,
// input.c), messages and questions (dialogue.c, form.c), the frame around a view (frame.c), the
// screen (screen.c, draw.c). Views and what they share use ui.h; docs/layers.txt enforces it.
#ifndef LIMN_APP_UI_UI_PARTS_H
#define LIMN_APP_UI_UI_PARTS_H

#include "app/library/library.h"
#include "app/ui/arrivals.h"
#include "app/ui/draw.h"
#include "app/ui/form.h"
#include "app/ui/input.h"
#include "app/ui/material.h"
#include "app/ui/palette.h"
#include "app/ui/pictures.h"
#include "app/ui/script.h"
#include "app/ui/session.h"
#include "app/ui/tasks.h"
#include "app/ui/ui.h"
#include "app/window/window_link.h"
#include "app/worker/client.h"
#include "renderer/canvas.h"

enum { SCREEN_HINTS_MAX = 24 };

// A key in the last line; clicking it does the same.
struct hint {
    int x, columns;
    enum request request;
};

// screen.c
struct screen {
    struct theme theme;
    bool theme_automatic; // not set by the user: may be switched to suit the terminal
    struct canvas *canvas;
    struct term_info term;
    bool mono;
    bool cursor;                  // visible once the pictures are drawn
    bool slot_used[CANVAS_SLOTS]; // since it was last drawn
    bool slot_awaited[CANVAS_SLOTS]; // its picture is being decoded
    struct area slot_area[CANVAS_SLOTS];  // rows 0: nowhere
    double slot_stale[CANVAS_SLOTS];      // since when it waits for a new picture; 0: not waiting
    struct hint hints[SCREEN_HINTS_MAX];
    int hint_count;
    const char *preview;          // the requested way of showing pictures
};

// The worker process, which computes.
struct ui_worker {
    struct client *client;
    char *host;
    struct jv *loaders, *machine; // as it described them; NULL: not yet
    bool lost;
    double restart; // when to restart it, by ui_now()
    int failures;
};

// Messages, prompts and questions, over the view and below it.
struct dialogue {
    enum role message_role;
    double message_time; // when, by ui_now()
    char message[ERR_TEXT_MAX];
    struct log_entry log[UI_LOG_MAX];
    int log_count;
    struct form *form; // NULL: none
    int forms;         // that were opened
    // A prompt, in place of the message.
    bool prompting;
    char prompt_label[80];
    struct field prompt;
    void (*prompt_done)(struct ui *ui, const char *text); // NULL text: left with Esc
    void (*prompt_changed)(struct ui *ui, const char *text); // after each key; may be NULL
    struct palette *palette;                                 // over the line; NULL: none
    const char *prompt_hint;                                 // ui_prompt_hint(); NULL: none
    // A question answered by one letter.
    bool asking;
    char question[ERR_TEXT_MAX], answers[16];
    void (*answered)(struct ui *ui, char answer); // 0: none of them
};

struct ui {
    struct screen screen;
    struct input input;
    struct dialogue dialogue;
    struct ui_worker worker;
    struct session *session;
    struct tasks *tasks;

    struct library *library; // NULL: it could not be opened
    struct pictures *pictures;
    struct background *arrivals, *chores; // ui_arrivals(), ui_chores()
    struct material *material;
    struct window_link *window; // NULL: none
    struct script *script;      // NULL: none

    enum view_id view, previous_view;
    void *state[VIEW_COUNT];

    int keys; // pressed so far
    bool dirty, quit;
    double first_frame; // seconds; 0: none yet
    double wake;        // when a view wants to be redrawn; 0: never
};

void dialogue_line_changed(struct ui *ui);             // dialogue.c: the prompt's text has changed
void ui_poll_window(struct ui *ui);                    // actions.c: the window's own events
bool keys_read(struct ui *ui);                         // dispatch.c: handles pending keys
void keys_press(struct ui *ui, wint_t key, bool code); // one key, as curses gives it
// Handles results of background work, after waiting a moment for work just queued (ui.c).
void ui_finish_work(struct ui *ui);
bool frame_show(struct ui *ui, struct err *err); // frame.c: the changes, text before pictures

#endif

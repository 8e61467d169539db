// SPDX-License-Identifier: MIT
// A view: a table of functions, all called on the UI's thread. To add one, write a file view_NAME.c
// and a row in views.def.
#ifndef LIMN_APP_UI_VIEW_H
#define LIMN_APP_UI_VIEW_H

#include <stdint.h>

#include "app/ui/draw.h"
#include "app/ui/ui.h"

struct arrival;
struct client_event;

struct view_word {
    enum request request;
    const char *word;
};

struct view {
    const char *name, *title;
    size_t state_size; // of ui->state[…], zeroed
    void (*open)(struct ui *ui);  // each time it is opened. May be NULL
    void (*close)(struct ui *ui); // once, at the end: frees what the state holds. May be NULL
    void (*draw)(struct ui *ui, const struct area *a);
    bool (*request)(struct ui *ui, enum request request); // true: handled
    // Whether characters go to key() before they become requests. NULL: never.
    bool (*typing)(const struct ui *ui);
    const char *(*typing_hint)(const struct ui *ui); // in place of the hints while typing
    bool (*key)(struct ui *ui, wint_t key, bool code);
    void (*paste)(struct ui *ui, const char *text); // while it is typing. May be NULL
    void (*event)(struct ui *ui, struct client_event *e); // also when not open. May be NULL
    void (*arrived)(struct ui *ui, struct arrival *a);    // the same
    // A click (turn 0) or a turn of the wheel (-1 or 1) at a place in its area. May be NULL
    void (*mouse)(struct ui *ui, int y, int x, int turn, bool double_click);
    const enum request *hints; // shown in the last line, REQUEST_NONE at the end
    // Words for some of the hints in this view, REQUEST_NONE at the end; others show the request's
    // name. May be NULL
    const struct view_word *words;
    // Other hints and words while it shows something else. May be NULL, and may leave them.
    void (*hints_now)(const struct ui *ui, const enum request **hints,
                      const struct view_word **words);
};

#define VIEW(id, variable, request) extern const struct view variable;
#include "app/ui/views.def"
#undef VIEW

// The command `:train RECIPE …`: starts a training run (view_training.c).
bool training_command(struct ui *ui, const char *line);

// The library's pictures have changed; selects picture `choose`, unless it is 0 (view_gallery.c).
void gallery_changed(struct ui *ui, int64_t choose);

extern const struct view *const views[VIEW_COUNT];

#endif

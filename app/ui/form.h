// SPDX-License-Identifier: MIT
// Forms in front of the view: lines of a label and a value, found by id. One at a time. Enter
// confirms, Esc cancels, Tab moves; typing replaces a value. A form is at the bottom of the screen,
// so that what it refers to stays visible above it.
#ifndef LIMN_APP_UI_FORM_H
#define LIMN_APP_UI_FORM_H

#include <stdbool.h>

#include "app/ui/browser.h"
#include "app/ui/draw.h"
#include "app/ui/field.h"
#include "app/ui/keys.h"

struct ui;

enum field_kind { FIELD_TEXT = 0, FIELD_INT, FIELD_FLOAT, FIELD_CHOICE, FIELD_BOOL };
struct form_field {
    char *id; // what form_value() finds it by
    char *label, *help, *value;
    enum field_kind kind;
    double minimum, maximum; // FIELD_INT, FIELD_FLOAT; minimum > maximum: any
    char **choices;          // FIELD_CHOICE, NULL at the end
    const char *const *files; // FIELD_TEXT: a file's suffixes, NULL at the end; NULL: no file
    char *default_text;       // what an empty value, or "auto", means; NULL: unknown
    char *folder;             // that relative paths start from; NULL: the current one
};
enum { FORM_FIELDS_MAX = 48 };
struct form {
    char *title;
    struct form_field fields[FORM_FIELDS_MAX];
    int count, selected, top;
    bool editing;
    struct field edit;
    // After each change of a value. May be NULL.
    void (*changed)(struct ui *ui, struct form *form, int field);
    // After each change of the text that is typed, before it is a value. May be NULL.
    void (*typed)(struct ui *ui, struct form *form);
    // Called when the form is confirmed (accepted) or left with Esc. May open another form. False:
    // the values cannot be used, and `done` has reported why; the form stays open at the selected
    // field.
    bool (*done)(struct ui *ui, struct form *form, bool accepted);
    int number;              // the caller's
    int serial;              // unique in this UI; 0: never opened
    bool half_width;         // leaves the right half of the screen to the view
    struct browser *browser; // the list a file is being picked from; NULL: none
    struct area lines;       // where the browser's lines, or the fields, are drawn
};

struct form *form_new(const char *title);
// Adds a field; all texts are copied. A full form (FORM_FIELDS_MAX) ignores it.
struct form_field *form_add(struct form *f, enum field_kind kind, const char *id, const char *label,
                            const char *value, const char *help);
// Sets the choices, NULL at the end; they are copied.
void form_choices(struct form_field *field, const char *const *choices);
const char *form_value(const struct form *f, const char *id); // "" if there is none
// The same, or what is being typed there.
const char *form_typed_value(const struct form *f, const char *id);
void form_open(struct ui *ui, struct form *f); // takes ownership
void form_close(struct ui *ui, bool accepted);
// Selects the field with this id, to show where something is wrong; false if there is none.
bool form_select(struct form *f, const char *id);
// A field for a file name; Space opens a list of files. `suffixes`: static, NULL at the end.
// `folder`: what relative names start from, copied; NULL: the current folder.
struct form_field *form_add_file(struct form *f, const char *const *suffixes, const char *folder,
                                 const char *id, const char *label, const char *value,
                                 const char *help);
// Edits the selected field: a text that is not taken yet, and the cursor's place in it.
void form_edit(struct form *f, const char *text, size_t cursor);
void form_free(struct form *f); // NULL is fine
bool form_is_open(const struct ui *ui);
struct form *form_current(const struct ui *ui); // NULL: none is
int form_top(const struct ui *ui);    // the first line of the screen it covers; LINES: none is open
int form_serial(const struct ui *ui); // of the one that is open; 0: none is
void form_draw(struct ui *ui);
void form_key(struct ui *ui, wint_t key, bool code, enum request request);
// A click, or a turn of the wheel (-1 or 1).
void form_mouse(struct ui *ui, int y, int x, int turn, bool double_click);
struct browser *form_browser(const struct ui *ui); // while a file is being picked; NULL: none

// form_files.c, picking a file, for form.c and the screen.
void form_browse(struct ui *ui, struct form *f); // the selected field's file
void form_browse_end(struct form *f);
void form_browse_draw(struct ui *ui, const struct area *a); // in place of the view
void form_browse_key(struct ui *ui, struct form *f, wint_t key, bool code);
void form_browse_mouse(struct ui *ui, struct form *f, int y, int x, int turn, bool double_click);
void form_set(struct ui *ui, struct form *f, const char *value); // of the selected field
// Pastes into the selected value, if it is text.
void form_paste(struct ui *ui, const char *text);

#endif

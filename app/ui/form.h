// SPDX-License-Identifier: MIT
// Forms over the view: lines of a label and a value, found by id. One at a time. In each of them
// Enter confirms, Esc cancels, Tab moves; what is typed replaces a value.
#ifndef LIMN_APP_UI_FORM_H
#define LIMN_APP_UI_FORM_H

#include <stdbool.h>

#include "app/ui/field.h"
#include "app/ui/keys.h"

struct ui;

enum field_kind { FIELD_TEXT = 0, FIELD_INT, FIELD_FLOAT, FIELD_CHOICE, FIELD_BOOL };
struct form_field {
    char *id; // what form_value() finds it by
    char *label, *help, *value;
    enum field_kind kind;
    double minimum, maximum; // FIELD_INT, FIELD_FLOAT
    char **choices;          // FIELD_CHOICE, NULL at the end
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
    // At its end: taken over, or left with Esc. May open the next one. False: what is in it cannot
    // be taken over, which has been said; the form stays, at the field that is chosen.
    bool (*done)(struct ui *ui, struct form *form, bool taken);
    int number; // the caller's
    int serial; // no other form of this UI has it; 0: it was never open
    bool picture_beside; // leaves the right half of the screen to the view
};

struct form *form_new(const char *title);
struct form_field *form_add(struct form *f, enum field_kind kind, const char *id, const char *label,
                            const char *value, const char *help);
void form_choices(struct form_field *field, const char *const *choices); // NULL at the end; copied
const char *form_value(const struct form *f, const char *id); // "" when there is none
void form_open(struct ui *ui, struct form *f); // takes over
void form_close(struct ui *ui, bool taken);
// Chooses the field with this id, where something is wrong; false when there is none.
bool form_select(struct form *f, const char *id);
void form_free(struct form *f);
bool form_is_open(const struct ui *ui);
int form_serial(const struct ui *ui); // of the one that is open; 0: none is
void form_draw(struct ui *ui);
void form_key(struct ui *ui, wint_t key, bool code, enum request request);
// Into the value that is chosen, where it is a text.
void form_paste(struct ui *ui, const char *text);

#endif

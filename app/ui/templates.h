// SPDX-License-Identifier: MIT
// The parts of the templates view: list and form (view_templates.c), drawing (templates_draw.c),
// sweeps over variables (templates_sweep.c), and the user's own files (templates_own.c).
#ifndef LIMN_APP_UI_TEMPLATES_H
#define LIMN_APP_UI_TEMPLATES_H

#include <stdbool.h>

#include "app/job/template.h"
#include "app/ui/draw.h"
#include "app/ui/form.h"
#include "app/ui/keys.h"

struct ui;

struct template_entry {
    char *path, *stem;
    char *result; // a picture of what it draws, results/STEM.png beside it; NULL: none
    struct template template; // valid when fault is empty
    char fault[ERR_TEXT_MAX];
};
struct template_entry *templates_chosen(const struct ui *ui); // NULL: none
// A copy of the template with its variables bound to the form's values; the listed one does not
// change. Call template_finish() afterwards, after a failure too.
bool templates_bind(struct form *f, const struct template_entry *e, struct template *t,
                    struct err *err);
void templates_add_variables(struct form *f, const struct template *t);
void templates_open_sweep(struct ui *ui, const struct template_entry *e); // its form
// The same for the composer's instruction, as if it were a template (sweep_composed.c).
void templates_sweep_composed(struct ui *ui);
// What the form of a sweep is about: that instruction, or the chosen template. NULL: neither.
struct template_entry *templates_swept(const struct ui *ui);
void templates_forget_entry(struct ui *ui);    // that instruction
void templates_forget_composed(struct ui *ui); // all of them, and their folder
// Takes what a template does not say (model, device, LoRA) from the composer's instruction.
void templates_complete(const struct ui *ui, struct job *j);

struct templates_own {
    char *subject; // path of the one that a prompt is about
    char *removed; // path of the last that was taken away
    char *folder;  // of instructions in hand that were swept; NULL: none yet
    int written;   // how many
    struct template_entry composed; // the last of them; path NULL: the chosen one is swept
};

struct templates {
    struct template_entry *entries;
    int count, capacity, selected, top;
    struct area list;
    char filter[80];
    bool all; // those for one family of models too: a model was chosen, or a filter is written
    struct templates_own own;
    struct template filled; // the chosen one with what its form has
    int filled_form;        // that form's serial; 0: none was changed yet
};

struct templates *templates_of(const struct ui *ui);
struct templates_own *templates_own_of(const struct ui *ui);
void templates_draw(struct ui *ui, const struct area *a);
void templates_reload(struct ui *ui, const char *path); // and chooses that one; NULL: as it is
// `path`: of the chosen one, NULL: there is none. False: it is none of its requests.
bool templates_own_request(struct ui *ui, enum request request, const char *path);

#endif

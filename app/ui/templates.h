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
    char *result; // an example of what it draws, results/STEM.png; NULL: none
    struct template template; // valid when fault is empty
    char fault[ERR_TEXT_MAX];
};
struct template_entry *templates_chosen(const struct ui *ui); // the selected one; NULL: none
// Copies the template into `t` and binds its variables to the form's values; the listed one does
// not change. Call template_finish() afterwards, even on failure.
bool templates_bind(struct form *f, const struct template_entry *e, struct template *t,
                    struct err *err);
void templates_add_variables(struct form *f, const struct template *t);
void templates_open_sweep(struct ui *ui, const struct template_entry *e); // its form
// The same for the composer's instruction, as if it were a template (sweep_composed.c).
void templates_sweep_composed(struct ui *ui);
// The subject of the sweep's form: the composed instruction, or the selected template. NULL: none.
struct template_entry *templates_swept(const struct ui *ui);
void templates_free_composed(struct ui *ui);   // the composed instruction
void templates_remove_composed(struct ui *ui); // all of them, and their folder
// Fills in what a template leaves open (model, device, LoRA) from the composer's instruction.
void templates_complete(const struct ui *ui, struct job *j);

struct templates_own {
    char *subject; // path of the template that a prompt is about
    char *removed; // path of the last one removed, for undo
    char *folder;  // for swept instructions; NULL: none yet
    int written;   // how many
    struct template_entry composed; // the last one; path NULL: the selected template is swept
};

struct templates {
    struct template_entry *entries;
    int count, capacity, selected, top;
    struct area list;
    char filter[80];
    bool all; // also lists those for one model family: a model or a filter is set
    struct templates_own own;
    struct template filled; // the selected template with its form's values
    int filled_form;        // that form's serial; 0: no value changed yet
};

struct templates *templates_of(const struct ui *ui);
struct templates_own *templates_own_of(const struct ui *ui);
void templates_draw(struct ui *ui, const struct area *a);
void templates_reload(struct ui *ui, const char *path); // selects that one; NULL: as before
// `path`: of the selected template; NULL: none. False: not one of its requests.
bool templates_own_request(struct ui *ui, enum request request, const char *path);

#endif

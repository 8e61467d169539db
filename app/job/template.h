// SPDX-License-Identifier: MIT
// Instruction templates: YAML to a struct, checked as far as possible without pictures or a model.
// docs/template.md is the schema. Every error begins "FILE:LINE:COLUMN: ". Paths in a template must
// be below its own folder (engine/base/beneath.h), because it may come from anywhere; paths that a
// person types may be anywhere. Nothing in a template is executed.
#ifndef LIMN_APP_JOB_TEMPLATE_H
#define LIMN_APP_JOB_TEMPLATE_H

#include <stdint.h>

#include "app/base/yaml_tree.h"
#include "app/job/job.h"
#include "engine/base/limits.h"
#include "engine/text/instruction.h"

enum variable_type { VARIABLE_TEXT = 0, VARIABLE_NUMBER, VARIABLE_CHOICE, VARIABLE_IMAGE,
                     VARIABLE_TYPE_COUNT };

struct template_variable {
    char *name, *help;
    enum variable_type type;
    char *value;   // current: the default, or what --set gave; NULL: unbound
    bool typed;    // by template_set()
    char **choices;
    int choice_count;
    double minimum, maximum; // numbers; minimum > maximum: no range
    int line, column;
};

// A picture that the instruction uses.
struct template_reference {
    enum job_use use;
    int marker; // 0 for JOB_START and JOB_MASK
    char *text;   // its own text; variables not filled in yet
    char *image;  // path as written (relative to the template) or with {{variable}}
    bool typed;   // given by a person in place of the template's: may be any file
    char *loader; // NULL: the picture as it is
    char *settings[LIMIT_TEMPLATE_SETTINGS]; // "key=value"
    int setting_count;
    int line, column; // of the image
};

// What `limn generate` sweeps over, one picture per value (app/job/sweep.h says how values are
// written).
struct template_sweep {
    char *name;    // a variable, or a parameter that can be swept over (parameters.def)
    char **values; // as written; one text ("1..4", "*", "@words.txt") or a list
    int count;
    bool list; // written as a list: each value is taken as it is
    int line, column;
};

struct template {
    char *path, *folder, *name, *summary, *text;
    int text_line, text_column;
    struct template_variable variables[LIMIT_TEMPLATE_VARIABLES];
    int variable_count;
    struct template_reference references[LIMIT_JOB_INPUTS];
    int reference_count;
    struct job parameters; // only its parameters are set
    struct template_sweep sweeps[LIMIT_SWEEP_AXES];
    int sweep_count;
};

bool template_read(struct template *t, const char *path, struct err *err);
void template_finish(struct template *t); // zeroed is fine

// Binds a variable to what a person typed: checks its type, range and choices. `image` values are
// paths relative to the current folder.
bool template_set(struct template *t, const char *name, const char *value, struct err *err);

// The lines of a text file that are neither empty nor begin with #, at most LIMIT_LIST_LINES; put
// into an empty list, whose texts and array the caller frees with free(), after an error too. A
// file that the template names must be below its folder; t NULL: a person typed the name.
bool template_lines(const struct template *t, const char *name, char ***lines, int *count,
                    struct err *err);

// Text with its {{variables}} filled in; freed with free(). An unbound variable is an error that
// says where it is and how to bind it.
char *template_fill(const struct template *t, const char *text, int line, int column,
                    struct err *err);
// Full path of a reference's picture, variables filled in; freed with free().
// template_image_typed(): whether a person typed it; if not, it is below the template's folder, and
// must be read from there.
bool template_image_typed(const struct template *t, const struct template_reference *r);
char *template_image(const struct template *t, const struct template_reference *r, struct err *err);

// The job it describes, variables filled in; picture files are named, not read.
bool template_job(const struct template *t, struct job *j, struct err *err);
// Saves the job as FOLDER/NAME.yaml, with the pictures of its references in FOLDER/NAME/. Reading
// it back gives the same job, without what belongs to the machine (model, device, type). Reads the
// job's pictures. ERR_INPUT if a template of that name exists.
bool template_save(struct job *j, const char *folder, const char *name, const char *summary,
                   struct err *err);

// --- the user's own templates, in $XDG_DATA_HOME/limn/templates (template_files.c). Returned paths
// are freed with free(). NULL or false: ERR_INPUT or ERR_IO, and nothing has changed.
bool template_is_own(const char *path);
char *template_begin(const char *name, struct err *err); // a new one, to be filled in
// Also copies the pictures and lists it names, to the same relative paths below the user's folder.
char *template_duplicate(const char *path, const char *name, struct err *err);
char *template_rename(const char *path, const char *name, struct err *err);
bool template_remove(const char *path, struct err *err); // renamed to PATH~
bool template_restore(const char *path, struct err *err);

// Folders that are searched for templates by name: $XDG_DATA_HOME/limn/templates, the source
// tree's, the installed one. Calls each for every NAME.yaml, sorted; false ends the walk.
void template_each(bool (*each)(const char *path, void *ctx), void *ctx);
char *template_stem(const char *path); // "a/edge.yaml" -> "edge", freed with free()
// "name", "name.yaml" or a path -> path, freed with free(). ERR_INPUT suggests similar names.
char *template_locate(const char *name, struct err *err);

#endif

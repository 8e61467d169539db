// SPDX-License-Identifier: MIT
// The parameters of a drawing as data (parameters.def): found by name, read from text, JSON and
// templates, written, copied, checked. No code here names one of them.
#ifndef LIMN_APP_JOB_PARAMETERS_H
#define LIMN_APP_JOB_PARAMETERS_H

#include "app/base/value.h"
#include "app/job/job.h"
#include "engine/tensor/dtype.h"

enum parameter_where { // bits
    PARAMETER_TEMPLATE = 1,
    PARAMETER_SWEEP = 2,
    PARAMETER_PICTURE = 4,
};

struct parameter {
    const char *name;     // "context_scale"
    const char *argument; // "X"; NULL: a switch
    const char *label, *help;
    struct value_type type;
    size_t offset;  // in struct job
    unsigned where; // of enum parameter_where
    enum completion names;
};

extern const struct parameter parameters[]; // name NULL after the last

// The names of choices, from the engine's own tables; NULL after the last.
const char *parameter_sampler(int i);
const char *parameter_spacing(int i);
const char *parameter_guidance(int i);
const char *parameter_quantise(int i); // "none", then dtype_quantised()

const struct parameter *parameter_find(const char *name); // NULL: none
// The one whose name or label begins the line, in any case, with `-` or a space for `_`: "pictures
// 3", "guidance-scale=2". `value` is what follows, after blanks and one `=`. NULL: none.
const struct parameter *parameter_named(const char *line, const char **value);

// Whether it has been given a value.
bool parameter_is_set(const struct parameter *p, const struct job *j);
void parameter_clear(const struct parameter *p, struct job *j);
void parameter_copy(const struct parameter *p, struct job *to, const struct job *from);
// `as` is its name in errors: "--steps", "its steps". ERR_INPUT as from value_read().
bool parameter_read(const struct parameter *p, struct job *j, const char *as, const char *text,
                    struct err *err);
// Its value as parameter_read() reads it; NULL: not set. Freed with free().
char *parameter_text(const struct parameter *p, const struct job *j);
// ERR_INPUT if its value is not allowed.
bool parameter_check(const struct parameter *p, const struct job *j, const char *as,
                     struct err *err);

// Adds a key of its name, if it is set.
void parameter_to_json(const struct parameter *p, const struct job *j, struct jv *object);
// Sets it, or clears it if the object has no such key. `name` begins errors.
bool parameter_from_json(const struct parameter *p, struct job *j, const struct jv *object,
                         const char *name, struct err *err);

#endif

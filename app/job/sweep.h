// SPDX-License-Identifier: MIT
// Sweeps: one instruction drawn with many values of its variables, over a whole grid or random
// cells of it. Each cell is a job of its own, which its picture can repeat.
//
// Values are written
//   a, b, c     these
//   1..5        whole numbers; 0..1:0.25 in steps of 0.25
//   *           all choices of the variable
//   @FILE       the lines of a file
#ifndef LIMN_APP_JOB_SWEEP_H
#define LIMN_APP_JOB_SWEEP_H

#include "app/job/template.h"
#include "engine/base/limits.h"

struct sweep_axis {
    char *name, **values;
    int count;
};

struct sweep {
    struct sweep_axis axes[LIMIT_SWEEP_AXES];
    int axis_count;
    int64_t picks[LIMIT_SWEEP_CELLS]; // random draws; pick_count 0: the whole grid
    int pick_count;
};

void sweep_finish(struct sweep *s); // zeroed is fine

// Adds an axis: a variable of the template (t may be NULL) or a parameter (parameters.def), whose
// values are checked. `values` were typed by a person: @FILE may be any file.
bool sweep_add(struct sweep *s, const struct template *t, const char *name, const char *values,
               struct err *err);
// Adds the template's own axes, except names already added or listed in `fixed` (NULL at the end;
// may be NULL).
bool sweep_add_own(struct sweep *s, const struct template *t, const char *const *fixed,
                   struct err *err);
// Picks `count` random cells of the grid, however large it is, each at most once while there are
// enough. The same seed picks the same cells.
bool sweep_sample(struct sweep *s, int count, int64_t seed, struct err *err);

// ERR_INPUT if there are more than LIMIT_SWEEP_CELLS cells. Call it last, when axes and random
// cells are chosen.
bool sweep_fits(const struct sweep *s, struct err *err);
// The number of cells, at most LIMIT_SWEEP_CELLS; 0: nothing is swept.
int sweep_cells(const struct sweep *s);
// Columns of the sheet: the number of values of the last axis; for random cells, chosen so that the
// sheet is nearly square.
int sweep_columns(const struct sweep *s);
// The job of a cell: from the template, whose variables it sets, or a copy of `base` when t is
// NULL. The label ("style=blob seed=3") is freed with free().
bool sweep_job(const struct sweep *s, struct template *t, const struct job *base, int cell,
               struct job *j, char **label, struct err *err);

// The sweep as its sheet stores it: {"instruction", "axes": [{"name", "values"}], "lots"}. The
// instruction keeps its {{variables}} if there is a template.
struct jv *sweep_json(const struct sweep *s, const struct template *t, const struct job *base);

#endif

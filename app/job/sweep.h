// SPDX-License-Identifier: MIT
// Sweeps: one instruction drawn with many values of its variables, as a grid or as random draws
// from it, each cell a job of its own that its picture can be drawn from again.
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

// What can be swept: the template's variables (t may be NULL), and parameters (parameters.def),
// whose values must be what they may be. `values` are a person's words: @FILE is any file.
bool sweep_add(struct sweep *s, const struct template *t, const char *name, const char *values,
               struct err *err);
// The template's own, but for the names that have been added or are in `fixed` (NULL at the end;
// may be NULL).
bool sweep_add_own(struct sweep *s, const struct template *t, const char *const *fixed,
                   struct err *err);
// `count` random cells of the grid, however large it is, each at most once while there are enough;
// the same seed, the same cells.
bool sweep_draw_lots(struct sweep *s, int count, int64_t seed, struct err *err);

// Whether there are no more cells than LIMIT_SWEEP_CELLS; ask when all is added, and lots are
// drawn if at all.
bool sweep_fits(const struct sweep *s, struct err *err);
// Cells, 0 when nothing is swept, at most LIMIT_SWEEP_CELLS.
int sweep_cells(const struct sweep *s);
// Columns of the sheet: the values of the last axis, or what makes random draws nearly square.
int sweep_columns(const struct sweep *s);
// The job of a cell: from the template, whose variables it sets, or a copy of `base` when t is
// NULL. The label ("style=blob seed=3") is freed with free().
bool sweep_job(const struct sweep *s, struct template *t, const struct job *base, int cell,
               struct job *j, char **label, struct err *err);

// What a sweep is, for its sheet: {"instruction", "axes": [{"name", "values"}], "lots"}. The
// instruction with its {{variables}}, where it has a template.
struct jv *sweep_json(const struct sweep *s, const struct template *t, const struct job *base);

#endif

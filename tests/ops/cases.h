// SPDX-License-Identifier: MIT
// One node of every op with random sources, in a chosen dtype: what the gradient, expansion and
// device tests loop over. A new row in ops.def without a case fails t_ops.
#ifndef LIMN_TESTS_OPS_CASES_H
#define LIMN_TESTS_OPS_CASES_H

#include "engine/ops/op.h"

struct op_case {
    enum op op;
    const char *text;
    // Adds inputs and the node; inputs get names "0", "1", …
    struct node *(*build)(struct graph *g, enum dtype dtype);
    bool positive;  // sources in (0.5, 2): log, sqrt, div
    bool by_hand;   // has a test of its own (in-place steps)
    unsigned fixed; // bit i: no gradient reaches input "i"
};
extern const struct op_case op_cases[];
extern const int op_case_count;

#endif

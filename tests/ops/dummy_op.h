// SPDX-License-Identifier: MIT
#ifndef LIMN_TESTS_OPS_DUMMY_OP_H
#define LIMN_TESTS_OPS_DUMMY_OP_H

#include "engine/ops/op.h"

struct node *op_dummy(struct graph *g, struct node *x); // x^3

#endif

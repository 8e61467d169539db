// SPDX-License-Identifier: MIT
// The functions of the row that -DLIMN_DUMMY_OP adds to ops.def: the cube. With the row and a case
// (cases.c) that is all an op is; here every device has the plain kernels alone.
#include "engine/device/cpu/cpu.h"
#include "engine/device/cpu/dnnl.h"
#include "engine/device/cpu/fast.h"
#include "engine/ops/rules.h"
#include "tests/ops/dummy_op.h"

struct node *
op_dummy(struct graph *g, struct node *x)
{
    return graph_add(g, OP_dummy, NULL, (struct node *[]){x}, 1, x->dtype, NULL);
}

bool
op_plain_dummy(const struct op_args *a, struct err *err)
{
    (void)err;
    for (int64_t i = 0; i < arg_count(a); i++) {
        double x = arg_get(a, 0, i);
        arg_put(a, i, x * x * x);
    }
    return true;
}

void
op_grad_dummy(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    struct node *x = n->source[0];
    dx[0] = op_mul(g, op_affine(g, op_mul(g, x, x), 3, 0), dy);
}

// --- the CPU device without its fast kernels

void
cpu_add_dnnl(struct cpu_table *t)
{
    (void)t;
}

void
cpu_add_fast(struct cpu_table *t)
{
    (void)t;
}

double
cpu_matmul_rate(enum dtype dtype, struct err *err)
{
    (void)dtype;
    err_set(err, ERR_UNSUPPORTED, "plain kernels have no rate");
    return 0;
}

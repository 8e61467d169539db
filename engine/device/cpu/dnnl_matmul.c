// SPDX-License-Identifier: MIT
// Matrix products by oneDNN.
//
// A transposed operand is only another pair of strides. Leading dimensions become one batch, or,
// when b is shared, more rows of one product.
#include "engine/device/cpu/dnnl.h"

// (…,rows,columns) as it lies, transposed: (…,columns,rows) in memory.
static struct onednn_arg
matrix(int64_t batch, int64_t rows, int64_t columns, bool transposed, enum dtype dtype)
{
    int64_t down = transposed ? 1 : columns, right = transposed ? rows : 1;
    if (batch == 0)
        return (struct onednn_arg){
            .rank = 2, .dim = {rows, columns}, .stride = {down, right}, .dtype = dtype};
    return (struct onednn_arg){.rank = 3,
                               .dim = {batch, rows, columns},
                               .stride = {rows * columns, down, right},
                               .dtype = dtype};
}

// A copy in the library's layout is what few rows need, and small weights are a fifth faster for
// it. Large ones in bf16 are not: with AMX, 2.6 walks a copy of 18 MB and more at half the rate of
// the weights as they lie, whatever the rows, and the copy would be as large as they are.
static bool
matmul_keeps(const struct node *n)
{
    enum { LARGE = 8 << 20, ROWS_FEW = 64 };
    const struct node *b = n->source[1];
    bool large = b->dtype == DTYPE_BF16 && shape_count(&b->shape) >= LARGE;
    bool few = shape_count(&n->shape) / shape_last(&n->shape) < ROWS_FEW;
    return dtype_is_float(b->dtype) && (!large || few);
}

static bool
matmul_prepare(struct cpu_step *s)
{
    const struct node *n = s->node, *a = n->source[0], *b = n->source[1];
    bool ta = n->params.matmul.transpose_a, tb = n->params.matmul.transpose_b;
    if ((a->dtype != DTYPE_F32 && a->dtype != DTYPE_BF16) || b->dtype != a->dtype ||
        (n->dtype != a->dtype && n->dtype != DTYPE_F32))
        return false;
    int64_t columns = shape_last(&n->shape), rows = n->shape.dim[n->shape.rank - 2];
    int64_t inner = a->shape.dim[a->shape.rank - (ta ? 2 : 1)];
    int64_t batch = shape_count(&n->shape) / (rows * columns);
    if (b->shape.rank == 2 && !ta) { // one b for all: the leading dimensions are rows
        rows *= batch;
        batch = 1;
    } else if (b->shape.rank == 2 && batch > 1) {
        return false;
    }
    int64_t lead = batch == 1 ? 0 : batch;
    struct onednn_params p = {.kind = ONEDNN_MATMUL,
                              .arg = {[ONEDNN_SOURCE] = matrix(lead, rows, inner, ta, a->dtype),
                                      [ONEDNN_WEIGHTS] = matrix(lead, inner, columns, tb, b->dtype),
                                      [ONEDNN_RESULT] =
                                          matrix(lead, rows, columns, false, n->dtype)}};
    if (n->source_count == 3) {
        p.arg[ONEDNN_BIAS] = matrix(lead ? 1 : 0, 1, columns, false, DTYPE_F32);
        if (n->source[2]->dtype != DTYPE_F32)
            return false;
    }
    p.arg[ONEDNN_WEIGHTS].any = p.arg[ONEDNN_WEIGHTS].constant =
        s->constant[1] && matmul_keeps(n);
    p.arg[ONEDNN_WEIGHTS].at = s->src[1];
    struct onednn_call *c = onednn_call_create(&p);
    if (c == NULL)
        return false;
    s->state = c;
    s->scratch_size = onednn_call_scratch(c);
    s->packed = onednn_call_packed(c);
    return true;
}

static void
matmul_run(struct cpu_step *s)
{
    void *data[ONEDNN_ARGS] = {(void *)s->src[0], (void *)s->src[1],
                               s->node->source_count == 3 ? (void *)s->src[2] : NULL, s->dst};
    onednn_call_run(s->state, data, s->scratch);
}

static void
release(struct cpu_step *s)
{
    onednn_call_destroy(s->state);
    s->state = NULL;
}

static const struct cpu_kernel matmul_kernel = {"onednn", matmul_prepare, matmul_run, release,
                                               matmul_keeps};

void
onednn_add_matmul(struct cpu_table *t)
{
    cpu_table_add(t, OP_matmul, &matmul_kernel);
}

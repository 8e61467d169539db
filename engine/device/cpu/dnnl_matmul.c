// SPDX-License-Identifier: MIT
// Matrix products by oneDNN.
//
// A transposed operand is just another pair of strides. Leading dimensions become one batch, or, if
// b is shared, more rows of one product.
#include "engine/device/cpu/dnnl.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

// A matrix (…,rows,columns); transposed: stored as (…,columns,rows).
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

// Whether to keep a copy in the library's layout. Products of few rows need it, and those with
// small weights are a fifth faster with it. Products of many rows with large weights are not, and
// the copy would take as much memory again: in bf16 with AMX, oneDNN 2.6 reads a copy of 18 MB or
// more at half the rate of the original, whatever the number of rows; in f32 both are equally fast
// (AVX2 and AVX-512, 2,560 rows).
static bool
matmul_keeps(const struct node *n)
{
    enum { LARGE = 8 << 20, ROWS_FEW = 64, ROWS_FEW_F32 = 256 };
    const struct node *b = n->source[1];
    bool large = shape_count(&b->shape) >= LARGE;
    int64_t rows = shape_count(&n->shape) / shape_last(&n->shape);
    bool few = rows < (b->dtype == DTYPE_BF16 ? ROWS_FEW : ROWS_FEW_F32);
    return dtype_is_float(b->dtype) && (!large || few);
}

struct product {
    struct onednn_call *call; // of one part
    int parts;                // of the result's columns
};

static void
release(struct cpu_step *s)
{
    struct product *p = s->state;
    if (p)
        onednn_call_destroy(p->call);
    free(p);
    s->state = NULL;
}

// A product of half the columns, for which the library may choose another implementation (gemm)
// than for all of them; the whole is then a tenth faster (12,288 deep). NULL: it does not choose
// that one, or the product is not to be split.
static struct onednn_call *
half_call(const struct node *n, const struct onednn_params *whole)
{
    enum { LONG = 8192, WIDE = 2048 };
    struct onednn_params p = *whole;
    const int64_t *w = p.arg[ONEDNN_WEIGHTS].dim;
    if (p.arg[ONEDNN_SOURCE].rank != 2 || p.arg[ONEDNN_SOURCE].dtype != DTYPE_BF16 ||
        p.arg[ONEDNN_WEIGHTS].any || !n->params.matmul.transpose_b || n->dtype != DTYPE_F32 ||
        w[0] < LONG || w[1] < WIDE || w[1] % 32)
        return NULL;
    for (int i = ONEDNN_WEIGHTS; i <= ONEDNN_RESULT; i++)
        p.arg[i].dim[1] /= 2;
    struct onednn_call *c = onednn_call_create(&p);
    if (c && strncmp(onednn_call_name(c), "gemm", 4) == 0)
        return c;
    onednn_call_destroy(c);
    return NULL;
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
    struct onednn_call *half = half_call(n, &p), *c = half ? half : onednn_call_create(&p);
    if (c == NULL)
        return false;
    struct product *product = s->state = mem_zalloc(sizeof *product);
    *product = (struct product){c, half ? 2 : 1};
    s->scratch_size = onednn_call_scratch(c);
    s->packed = onednn_call_packed(c);
    return true;
}

static void
matmul_run(struct cpu_step *s)
{
    const struct product *p = s->state;
    const struct node *n = s->node, *w = n->source[1];
    int64_t columns = shape_last(&n->shape) / p->parts;
    for (int i = 0; i < p->parts; i++) {
        int64_t at = i * columns, row = shape_last(&w->shape);
        void *data[ONEDNN_ARGS] = {
            (void *)s->src[0], (char *)(uintptr_t)s->src[1] + dtype_bytes(w->dtype, at * row),
            n->source_count == 3 ? (float *)(uintptr_t)s->src[2] + at : NULL,
            (char *)s->dst + dtype_bytes(n->dtype, at)};
        onednn_call_run(p->call, data, s->scratch);
    }
}

static const struct cpu_kernel matmul_kernel = {"onednn", matmul_prepare, matmul_run, release,
                                               matmul_keeps};

void
onednn_add_matmul(struct cpu_table *t)
{
    cpu_table_add(t, OP_matmul, &matmul_kernel);
}

// SPDX-License-Identifier: MIT
// The gradient of attention in bf16 whose five products are the library's, for processors on which
// these have matrix units (AMX): three times as fast as our own. Formulas are in
// engine/ops/attention.c.
//
// Each thread has heads of its own and takes a head's queries in blocks, each against all keys, so
// that scores and what is made of them stay in the cache of one core. Queries, keys, values and
// their gradients are multiplied where they lie among the other heads; what keys and values get
// from several blocks is summed in f32.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/attention_rows.h"
#include "engine/device/cpu/dnnl_product.h"

enum {
    QUERIES = 256,   // most of a block
    SCORES = 131072, // most of a block, where it has more than FEW queries
    FEW = 16,        // fewer queries or keys are the other kernel's
    WIDEST = 512,
    BIAS = 4, // the source
};

struct sizes {
    int64_t n, t, s, heads, width, c; // samples, queries, keys, heads, channels of one and of all
    int64_t queries;                  // of a whole block
    int64_t workers;
};

// The products of a whole and of the last block (0, 1) of queries.
struct calls {
    struct onednn_call *score[2]; // q k', and dy v'
    struct onednn_call *query[2]; // ds k
    struct onednn_call *key[2];   // ds' q, and p' dy
};

struct attention {
    struct sizes z;
    const struct attention_tile *tile;
    struct calls *calls; // of each worker
    size_t pad;          // of the calls
    size_t memory;       // of a worker
};

static const struct attention_tile *the_tile;

static struct sizes
sizes_of(const struct node *n)
{
    const struct shape *q = &n->source[0]->shape;
    struct sizes z = {.n = q->dim[0], .t = q->dim[1], .s = n->source[1]->shape.dim[1],
                      .heads = n->params.attention.heads, .c = q->dim[2]};
    z.width = z.c / z.heads;
    z.queries = MIN(z.t, MIN(QUERIES, MAX(FEW, SCORES / z.s)));
    z.workers = MIN(cpu_threads(), z.n * z.heads);
    return z;
}

// --- Products

static bool
make_some(struct attention *a, struct calls *c)
{
    const struct sizes *z = &a->z;
    const int64_t rows[] = {z->queries, z->t % z->queries};
    struct onednn_arg keys = product_matrix(z->s, z->width, z->c, DTYPE_BF16),
                      sum = product_matrix(z->s, z->width, z->width, DTYPE_F32);
    for (int q = 0; q < 2; q++) {
        if (!rows[q])
            continue;
        struct onednn_arg queries = product_matrix(rows[q], z->width, z->c, DTYPE_BF16),
                          scores = product_matrix(rows[q], z->s, z->s, DTYPE_F32),
                          weights = product_matrix(rows[q], z->s, z->s, DTYPE_BF16);
        c->score[q] = product_create(queries, product_transposed(keys), scores, &a->pad);
        c->query[q] = product_create(weights, keys, queries, &a->pad);
        c->key[q] = product_create(product_transposed(weights), queries, sum, &a->pad);
        if (!c->score[q] || !c->query[q] || !c->key[q])
            return false;
    }
    return true;
}

static bool
make_calls(struct attention *a)
{
    bool ok = true;
    a->calls = mem_zalloc((size_t)a->z.workers * sizeof *a->calls);
    for (int64_t w = 0; ok && w < a->z.workers; w++)
        ok = make_some(a, &a->calls[w]);
    return ok;
}

static void
free_calls(struct attention *a)
{
    for (int64_t i = 0; a->calls && i < a->z.workers * 2; i++) {
        struct calls *c = &a->calls[i / 2];
        onednn_call_destroy(c->score[i % 2]);
        onednn_call_destroy(c->query[i % 2]);
        onednn_call_destroy(c->key[i % 2]);
    }
    free(a->calls);
    free(a);
}

// --- Working memory

struct memory {
    void *pad;
    float *scores, *dp;     // (queries,keys)
    uint16_t *weights, *ds; // (queries,keys)
    float *dk, *dv, *more;  // (keys,width)
    float *ones;            // (keys)
};

static size_t
lay_out(const struct attention *a, char *base, struct memory *m)
{
    const struct sizes *z = &a->z;
    size_t used = 0;
    m->pad = product_take(base, &used, a->pad);
    m->scores = product_take(base, &used, (size_t)(z->queries * z->s * 4));
    m->dp = product_take(base, &used, (size_t)(z->queries * z->s * 4));
    m->weights = product_take(base, &used, (size_t)(z->queries * z->s * 2));
    m->ds = product_take(base, &used, (size_t)(z->queries * z->s * 2));
    m->dk = product_take(base, &used, (size_t)(z->s * z->width * 4));
    m->dv = product_take(base, &used, (size_t)(z->s * z->width * 4));
    m->more = product_take(base, &used, (size_t)(z->s * z->width * 4));
    m->ones = product_take(base, &used, (size_t)(z->s * 4));
    return used;
}

// --- Running

struct place {
    const struct cpu_step *step;
    const struct attention *a;
    const struct calls *calls;
    struct memory m;
    int64_t sample, head, first, rows; // the last two: queries
};

// Where row `token` of this head lies in a tensor of so many tokens a sample.
static uint16_t *
row_of(const struct place *p, const void *base, int64_t tokens, int64_t token)
{
    return (uint16_t *)(uintptr_t)base + (p->sample * tokens + token) * p->a->z.c +
           p->head * p->a->z.width;
}

static void
multiply(const struct place *p, struct onednn_call *call, const void *left, const void *right,
         void *result)
{
    onednn_call_run(call, (void *[]){(void *)(uintptr_t)left, (void *)(uintptr_t)right, NULL,
                                     result}, p->m.pad);
}

static void
weigh(const struct place *p)
{
    const struct node *n = p->step->node;
    struct attention_rows rows = {.scores = p->m.scores, .weights = p->m.weights,
                                  .keys = p->a->z.s,
                                  .scale = (float)n->params.attention.scale};
    if (n->source_count > BIAS)
        rows.bias = attention_bias(&n->source[BIAS]->shape, p->step->src[BIAS], p->sample, p->head,
                                   p->first, &rows.bias_pitch);
    p->a->tile->weigh_back(&rows, p->m.dp, p->m.ds, p->rows);
}

// What the block adds to a gradient of keys.
static void
add_to(const struct place *p, float *sum, const uint16_t *left, const uint16_t *right)
{
    const struct sizes *z = &p->a->z;
    struct onednn_call *call = p->calls->key[p->rows < z->queries];
    multiply(p, call, left, right, p->first ? p->m.more : sum);
    if (p->first)
        p->a->tile->add(sum, p->m.more, p->m.ones, z->width, 0, z->s);
}

static void
run_block(const struct place *p)
{
    const struct sizes *z = &p->a->z;
    int last = p->rows < z->queries;
    const uint16_t *q = row_of(p, p->step->src[0], z->t, p->first),
                   *k = row_of(p, p->step->src[1], z->s, 0),
                   *v = row_of(p, p->step->src[2], z->s, 0),
                   *dy = row_of(p, p->step->src[3], z->t, p->first);
    multiply(p, p->calls->score[last], q, k, p->m.scores);
    multiply(p, p->calls->score[last], dy, v, p->m.dp);
    weigh(p);
    multiply(p, p->calls->query[last], p->m.ds, k, row_of(p, p->step->dst, z->t, p->first));
    add_to(p, p->m.dk, p->m.ds, q);
    add_to(p, p->m.dv, p->m.weights, dy);
}

static void
run_head(struct place *p)
{
    const struct sizes *z = &p->a->z;
    uint16_t *dk = (uint16_t *)p->step->dst + z->n * z->t * z->c, *dv = dk + z->n * z->s * z->c;
    for (p->first = 0; p->first < z->t; p->first += z->queries) {
        p->rows = MIN(z->queries, z->t - p->first);
        run_block(p);
    }
    p->a->tile->finish(row_of(p, dk, z->s, 0), z->c, p->m.dk, p->m.ones, z->width, 0, z->s);
    p->a->tile->finish(row_of(p, dv, z->s, 0), z->c, p->m.dv, p->m.ones, z->width, 0, z->s);
}

static void
run_workers(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct attention *a = s->state;
    int64_t all = a->z.n * a->z.heads;
    for (int64_t w = first; w < last; w++) {
        struct place p = {.step = s, .a = a, .calls = &a->calls[w]};
        lay_out(a, (char *)s->scratch + (size_t)w * a->memory, &p.m);
        for (int64_t i = 0; i < a->z.s; i++)
            p.m.ones[i] = 1;
        for (int64_t i = all * w / a->z.workers; i < all * (w + 1) / a->z.workers; i++) {
            p.sample = i / a->z.heads;
            p.head = i % a->z.heads;
            run_head(&p);
        }
    }
}

static void
run(struct cpu_step *s)
{
    const struct attention *a = s->state;
    cpu_parallel(a->z.workers, 1, run_workers, s);
}

static bool
prepare(struct cpu_step *s)
{
    const struct node *n = s->node;
    struct sizes z = sizes_of(n);
    bool fits = n->dtype == DTYPE_BF16 && n->params.attention.scale > 0 && z.t >= FEW &&
                z.s >= FEW && z.width >= 16 && z.width <= WIDEST && onednn_has_matrix_units() &&
                (n->source_count <= BIAS || n->source[BIAS]->dtype == DTYPE_F32);
    if (!fits)
        return false;
    struct attention *a = mem_zalloc(sizeof *a);
    struct memory m;
    a->z = z;
    a->tile = the_tile;
    if (!make_calls(a)) {
        free_calls(a);
        return false;
    }
    s->state = a;
    a->memory = lay_out(a, NULL, &m);
    s->scratch_size = (size_t)z.workers * a->memory;
    return true;
}

static void
release(struct cpu_step *s)
{
    free_calls(s->state);
    s->state = NULL;
}

static const struct cpu_kernel kernel = {"onednn_attention_grad", prepare, run, release, NULL};

void
onednn_add_attention_grad(struct cpu_table *t, const struct attention_tile *tile)
{
    if (!onednn_available())
        return;
    the_tile = tile;
    cpu_table_add(t, OP_attention_grad, &kernel);
}

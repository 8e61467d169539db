// SPDX-License-Identifier: MIT
// The gradient of attention in bf16 with five products by oneDNN, for processors on which these use
// matrix units (AMX): three times as fast as our own. The formulas are in engine/ops/attention.c.
//
// Each thread has heads of its own and takes a head's queries in blocks, each against all keys, so
// that scores and what is computed from them stay in the cache of one core. The gradients of keys
// and values are summed over the blocks in f32.
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/attention_rows.h"
#include "engine/device/cpu/dnnl_product.h"

enum {
    QUERIES = 256,   // at most per block
    SCORES = 131072, // at most per block if it has more than FEW queries
    FEW = 16,        // with fewer queries or keys the other kernel runs
    WIDTH_MAX = 512,
    BIAS = 4, // the source
};

struct sizes {
    int64_t n, t, s, heads, width, c; // samples, queries, keys, heads, channels per head and of all
    int64_t queries, keys;            // per block; all keys; both padded
    int64_t workers;
};

enum product {
    SCORE, // q k', and dy v'
    QUERY, // ds k
    KEY,   // ds' q, and p' dy
    PRODUCTS
};

struct attention {
    struct sizes z;
    const struct attention_tile *tile;
    struct onednn_call **calls; // (workers,PRODUCTS)
    size_t pad;                 // of the calls
    size_t memory;              // of a worker
};

static const struct attention_tile *the_tile;

static struct sizes
sizes_of(const struct node *n)
{
    const struct shape *q = &n->source[0]->shape;
    struct sizes z = {.n = q->dim[0], .t = q->dim[1], .s = n->source[1]->shape.dim[1],
                      .heads = n->params.attention.heads, .c = q->dim[2]};
    z.width = z.c / z.heads;
    z.keys = product_padded(z.s, 32);
    z.queries = product_block(z.t, MIN(QUERIES, MAX(FEW, SCORES / z.keys)), 32);
    z.workers = MIN(cpu_threads(), z.n * z.heads);
    return z;
}

// --- Products

static bool
make_calls(struct attention *a)
{
    const struct sizes *z = &a->z;
    struct onednn_arg queries = product_matrix(z->queries, z->width, z->width, DTYPE_BF16),
                      transposed = product_matrix(z->width, z->keys, z->keys, DTYPE_BF16),
                      keys = product_matrix(z->keys, z->width, z->width, DTYPE_BF16),
                      sum = product_matrix(z->keys, z->width, z->width, DTYPE_F32),
                      scores = product_matrix(z->queries, z->keys, z->keys, DTYPE_F32),
                      weights = product_matrix(z->queries, z->keys, z->keys, DTYPE_BF16);
    bool ok = true;
    a->calls = mem_zalloc((size_t)z->workers * PRODUCTS * sizeof *a->calls);
    for (int64_t w = 0; ok && w < z->workers; w++) {
        struct onednn_call **c = a->calls + w * PRODUCTS;
        c[SCORE] = product_create(queries, transposed, scores, &a->pad);
        c[QUERY] = product_create(weights, keys, queries, &a->pad);
        c[KEY] = product_create(product_transposed(weights), queries, sum, &a->pad);
        ok = c[SCORE] && c[QUERY] && c[KEY];
    }
    return ok;
}

static void
free_attention(struct attention *a)
{
    product_destroy_all(a->calls, a->z.workers * PRODUCTS);
    free(a);
}

// --- Working memory

struct memory {
    void *pad;
    uint16_t *k, *k_transposed, *v_transposed; // (keys,width), (width,keys) twice: of the head
    uint16_t *q, *dy, *dq;             // (queries,width): of the block
    float *scores, *dp;                // (queries,keys)
    uint16_t *weights, *ds;            // (queries,keys)
    float *dk, *dv, *more;             // (keys,width)
    float *ones;                       // (keys)
};

static size_t
lay_out(const struct attention *a, char *base, struct memory *m)
{
    const struct sizes *z = &a->z;
    size_t used = 0, keys = (size_t)(z->keys * z->width), rows = (size_t)(z->queries * z->width),
           scores = (size_t)(z->queries * z->keys);
    m->pad = product_take(base, &used, a->pad);
    m->k = product_take(base, &used, keys * 2);
    m->k_transposed = product_take(base, &used, keys * 2);
    m->v_transposed = product_take(base, &used, keys * 2);
    m->q = product_take(base, &used, rows * 2);
    m->dy = product_take(base, &used, rows * 2);
    m->dq = product_take(base, &used, rows * 2);
    m->scores = product_take(base, &used, scores * 4);
    m->dp = product_take(base, &used, scores * 4);
    m->weights = product_take(base, &used, scores * 2);
    m->ds = product_take(base, &used, scores * 2);
    m->dk = product_take(base, &used, keys * 4);
    m->dv = product_take(base, &used, keys * 4);
    m->more = product_take(base, &used, keys * 4);
    m->ones = product_take(base, &used, (size_t)z->keys * 4);
    return used;
}

// --- Running

struct place {
    const struct cpu_step *step;
    const struct attention *a;
    struct onednn_call *const *calls; // of this worker
    struct memory m;
    int64_t sample, head, first, rows; // the last two: queries
};

// This head's row `token` of a tensor with `tokens` tokens per sample.
static uint16_t *
row_of(const struct place *p, const void *base, int64_t tokens, int64_t token)
{
    return (uint16_t *)(uintptr_t)base + (p->sample * tokens + token) * p->a->z.c +
           p->head * p->a->z.width;
}

// Copies this head's rows one after another, with zeros up to `padded` rows.
static void
gather(const struct place *p, uint16_t *to, const uint16_t *from, int64_t rows, int64_t padded)
{
    const struct sizes *z = &p->a->z;
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + r * z->width, from + r * z->c, (size_t)z->width * 2);
    memset(to + rows * z->width, 0, (size_t)((padded - rows) * z->width) * 2);
}

static void
transpose(const struct place *p, uint16_t *to, const uint16_t *from)
{
    const struct sizes *z = &p->a->z;
    memset(to, 0, (size_t)(z->width * z->keys) * 2);
    p->a->tile->transpose(to, z->keys, from, z->c, z->s, z->width);
}

static void
multiply(const struct place *p, enum product which, const void *left, const void *right,
         void *result)
{
    onednn_call_run(p->calls[which], (void *[]){(void *)(uintptr_t)left, (void *)(uintptr_t)right,
                                                NULL, result}, p->m.pad);
}

// The weights of queries that the block lacks are zero.
static void
weigh(const struct place *p)
{
    const struct sizes *z = &p->a->z;
    const struct node *n = p->step->node;
    size_t lacking = (size_t)((z->queries - p->rows) * z->keys) * 2;
    struct attention_rows rows = {.scores = p->m.scores, .weights = p->m.weights, .keys = z->s,
                                  .pitch = z->keys, .scale = (float)n->params.attention.scale};
    if (n->source_count > BIAS)
        rows.bias = attention_bias(&n->source[BIAS]->shape, p->step->src[BIAS], p->sample, p->head,
                                   p->first, &rows.bias_pitch);
    p->a->tile->weigh_back(&rows, p->m.dp, p->m.ds, p->rows);
    memset(p->m.weights + p->rows * z->keys, 0, lacking);
    memset(p->m.ds + p->rows * z->keys, 0, lacking);
}

// Adds the block's part to the gradient of the keys or values.
static void
add_to(const struct place *p, float *sum, const uint16_t *left, const uint16_t *right)
{
    const struct sizes *z = &p->a->z;
    multiply(p, KEY, left, right, p->first ? p->m.more : sum);
    if (p->first)
        p->a->tile->add(sum, p->m.more, p->m.ones, z->width, 0, z->s);
}

static void
run_block(const struct place *p)
{
    const struct sizes *z = &p->a->z;
    uint16_t *dq = row_of(p, p->step->dst, z->t, p->first);
    gather(p, p->m.q, row_of(p, p->step->src[0], z->t, p->first), p->rows, z->queries);
    gather(p, p->m.dy, row_of(p, p->step->src[3], z->t, p->first), p->rows, z->queries);
    multiply(p, SCORE, p->m.q, p->m.k_transposed, p->m.scores);
    multiply(p, SCORE, p->m.dy, p->m.v_transposed, p->m.dp);
    weigh(p);
    multiply(p, QUERY, p->m.ds, p->m.k, p->m.dq);
    for (int64_t r = 0; r < p->rows; r++)
        memcpy(dq + r * z->c, p->m.dq + r * z->width, (size_t)z->width * 2);
    add_to(p, p->m.dk, p->m.ds, p->m.q);
    add_to(p, p->m.dv, p->m.weights, p->m.dy);
}

static void
run_head(struct place *p)
{
    const struct sizes *z = &p->a->z;
    const uint16_t *k = row_of(p, p->step->src[1], z->s, 0),
                   *v = row_of(p, p->step->src[2], z->s, 0);
    uint16_t *dk = (uint16_t *)p->step->dst + z->n * z->t * z->c, *dv = dk + z->n * z->s * z->c;
    gather(p, p->m.k, k, z->s, z->keys);
    transpose(p, p->m.k_transposed, k);
    transpose(p, p->m.v_transposed, v);
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
        struct place p = {.step = s, .a = a, .calls = a->calls + w * PRODUCTS};
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
    bool fits = onednn_has_matrix_units() && n->dtype == DTYPE_BF16 &&
                n->params.attention.scale > 0 && z.t >= FEW && z.s >= FEW && z.width >= 16 &&
                z.width % 2 == 0 && z.width <= WIDTH_MAX &&
                (n->source_count <= BIAS || n->source[BIAS]->dtype == DTYPE_F32);
    if (!fits)
        return false;
    struct attention *a = mem_zalloc(sizeof *a);
    struct memory m;
    a->z = z;
    a->tile = the_tile;
    if (!make_calls(a)) {
        free_attention(a);
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
    free_attention(s->state);
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

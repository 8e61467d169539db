// SPDX-License-Identifier: MIT
// Attention in bf16 with oneDNN's products, for processors on which these use matrix units (AMX)
// and ours do not: some ten times as fast. The formulas are in engine/ops/attention.c.
//
// Each thread has heads of its own. It packs a head's keys and values once, in tiles of keys; then
// for each block of queries it multiplies tile after tile, weighs the scores by an online softmax
// and multiplies them by the values, all in the cache of one core; threads wait for each other only
// at the end. So a thread's memory is one packed head and one tile of scores, never all scores. If
// threads would be left idle, a head's queries are split among several.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/attention_rows.h"
#include "engine/device/cpu/dnnl_product.h"

enum { QUERIES = 256, KEYS = 256, FEW = 32, WIDTH_MAX = 512, SPLITS_MAX = 4 };

struct sizes {
    int64_t n, t, s, heads, width, c; // samples, queries, keys, heads, channels per head and of all
    int64_t queries, keys;            // per block and per tile, the last ones padded
    int64_t blocks, tiles;            // per head
    int64_t splits;                   // parts that a head's blocks are split into
    int64_t items, workers;           // parts of all heads; threads
};

enum product { SCORE, VALUE, PRODUCTS };

struct attention {
    struct sizes z;
    const struct attention_tile *tile;
    struct onednn_call **calls; // (workers,PRODUCTS)
    size_t pad;                 // of the calls
    size_t memory;              // of a worker
};

static const struct attention_tile *the_tile;

// The least number of parts that keeps nine of ten threads busy, or else the one that keeps most
// busy.
static int64_t
splits_of(int64_t heads, int64_t blocks)
{
    int64_t threads = cpu_threads(), best = 1;
    double most = 0;
    for (int64_t splits = 1; splits <= MIN(blocks, SPLITS_MAX) && most < 0.9; splits++) {
        int64_t items = heads * splits, turns = (items + threads - 1) / threads;
        double busy = (double)items / (double)(turns * threads);
        best = busy > most ? splits : best;
        most = MAX(most, busy);
    }
    return best;
}

static struct sizes
sizes_of(const struct node *n)
{
    const struct shape *q = &n->source[0]->shape;
    struct sizes z = {.n = q->dim[0], .t = q->dim[1], .s = n->source[1]->shape.dim[1],
                      .heads = n->params.attention.heads, .c = q->dim[2]};
    z.width = z.c / z.heads;
    z.queries = product_block(z.t, QUERIES, 16);
    z.keys = product_block(z.s, KEYS, 32);
    z.blocks = (z.t + z.queries - 1) / z.queries;
    z.tiles = (z.s + z.keys - 1) / z.keys;
    z.splits = splits_of(z.n * z.heads, z.blocks);
    z.items = z.n * z.heads * z.splits;
    z.workers = MIN(cpu_threads(), z.items);
    return z;
}

static struct onednn_call *
product(struct attention *a, int64_t rows, int64_t inner, int64_t columns)
{
    return product_create(product_matrix(rows, inner, inner, DTYPE_BF16),
                          product_matrix(inner, columns, columns, DTYPE_BF16),
                          product_matrix(rows, columns, columns, DTYPE_F32), &a->pad);
}

static bool
make_calls(struct attention *a)
{
    const struct sizes *z = &a->z;
    bool ok = true;
    a->calls = mem_zalloc((size_t)z->workers * PRODUCTS * sizeof *a->calls);
    for (int64_t w = 0; ok && w < z->workers; w++) {
        struct onednn_call **c = a->calls + w * PRODUCTS;
        c[SCORE] = product(a, z->queries, z->width, z->keys);
        c[VALUE] = product(a, z->queries, z->keys, z->width);
        ok = c[SCORE] && c[VALUE];
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
    uint16_t *k, *v, *q, *weights; // k: tiles of (width,keys); v: of (keys,width)
    float *scores, *more, *sum;    // (queries,keys), (queries,width) twice
    float *top, *total, *keep;     // (queries)
};

static size_t
lay_out(const struct attention *a, char *base, struct memory *m)
{
    const struct sizes *z = &a->z;
    size_t used = 0, rows = (size_t)z->queries;
    size_t all = (size_t)(z->tiles * z->keys * z->width), row = (size_t)z->width;
    m->pad = product_take(base, &used, a->pad);
    m->k = product_take(base, &used, all * 2);
    m->v = product_take(base, &used, all * 2);
    m->q = product_take(base, &used, rows * row * 2);
    m->weights = product_take(base, &used, rows * (size_t)z->keys * 2);
    m->scores = product_take(base, &used, rows * (size_t)z->keys * 4);
    m->more = product_take(base, &used, rows * row * 4);
    m->sum = product_take(base, &used, rows * row * 4);
    m->top = product_take(base, &used, rows * 4);
    m->total = product_take(base, &used, rows * 4);
    m->keep = product_take(base, &used, rows * 4);
    return used;
}

// --- Running

struct place {
    const struct cpu_step *step;
    const struct attention *a;
    struct onednn_call *const *calls; // of this worker
    struct memory m;
    int64_t sample, head;
    int64_t first, rows; // queries
    int64_t key;         // the first of this tile
};

static const uint16_t *
source(const struct place *p, int which, int64_t token)
{
    const struct sizes *z = &p->a->z;
    int64_t tokens = which ? z->s : z->t;
    return (const uint16_t *)p->step->src[which] + (p->sample * tokens + token) * z->c +
           p->head * z->width;
}

// Packs a head's keys and values, with zeros for what the last tile lacks.
static void
pack_head(const struct place *p)
{
    const struct sizes *z = &p->a->z;
    int64_t whole = z->s / z->keys * z->keys, room = z->tiles * z->keys;
    memset(p->m.k + whole * z->width, 0, (size_t)((room - whole) * z->width) * 2);
    memset(p->m.v + z->s * z->width, 0, (size_t)((room - z->s) * z->width) * 2);
    for (int64_t key = 0; key < z->s; key += z->keys)
        p->a->tile->transpose(p->m.k + key * z->width, z->keys, source(p, 1, key), z->c,
                              MIN(z->keys, z->s - key), z->width);
    for (int64_t j = 0; j < z->s; j++)
        memcpy(p->m.v + j * z->width, source(p, 2, j), (size_t)z->width * 2);
}

// Copies the queries of a block and clears its sums.
static void
begin_block(const struct place *p)
{
    const struct sizes *z = &p->a->z;
    for (int64_t r = 0; r < p->rows; r++) {
        memcpy(p->m.q + r * z->width, source(p, 0, p->first + r), (size_t)z->width * 2);
        p->m.top[r] = -INFINITY;
        p->m.total[r] = 0;
    }
    memset(p->m.q + p->rows * z->width, 0, (size_t)((z->queries - p->rows) * z->width) * 2);
    memset(p->m.sum, 0, (size_t)(p->rows * z->width) * 4);
}

const float *
attention_bias(const struct shape *shape, const void *base, int64_t sample, int64_t head,
               int64_t query, int64_t *pitch)
{
    const int64_t *d = shape->dim;
    int64_t at = d[0] > 1 ? sample : 0;
    at = at * d[1] + (d[1] > 1 ? head : 0);
    at = at * d[2] + (d[2] > 1 ? query : 0);
    *pitch = d[2] > 1 ? d[3] : 0;
    return (const float *)base + at * d[3];
}

static void
weigh(const struct place *p)
{
    struct attention_rows rows = {
        .scores = p->m.scores, .weights = p->m.weights, .top = p->m.top, .total = p->m.total,
        .keep = p->m.keep, .pitch = p->a->z.keys,
        .keys = MIN(p->a->z.keys, p->a->z.s - p->key),
        .scale = (float)p->step->node->params.attention.scale};
    const struct node *n = p->step->node;
    if (n->source_count > 3)
        rows.bias = p->key + attention_bias(&n->source[3]->shape, p->step->src[3], p->sample,
                                            p->head, p->first, &rows.bias_pitch);
    p->a->tile->weigh(&rows, 0, p->rows);
}

static void
multiply(const struct place *p, enum product which, const void *left, const void *right,
         float *result)
{
    onednn_call_run(p->calls[which], (void *[]){(void *)(uintptr_t)left, (void *)(uintptr_t)right,
                                                NULL, result}, p->m.pad);
}

static void
run_block(struct place *p)
{
    const struct sizes *z = &p->a->z;
    uint16_t *out = (uint16_t *)p->step->dst + (p->sample * z->t + p->first) * z->c +
                    p->head * z->width;
    begin_block(p);
    for (p->key = 0; p->key < z->s; p->key += z->keys) {
        multiply(p, SCORE, p->m.q, p->m.k + p->key * z->width, p->m.scores);
        weigh(p);
        multiply(p, VALUE, p->m.weights, p->m.v + p->key * z->width, p->m.more);
        p->a->tile->add(p->m.sum, p->m.more, p->m.keep, z->width, 0, p->rows);
    }
    p->a->tile->finish(out, z->c, p->m.sum, p->m.total, z->width, 0, p->rows);
}

// A worker's items, in order: those of one head are consecutive.
static void
run_items(struct place *p, int64_t first, int64_t last)
{
    const struct sizes *z = &p->a->z;
    int64_t packed = -1;
    for (int64_t item = first; item < last; item++) {
        int64_t head = item / z->splits, split = item % z->splits;
        p->sample = head / z->heads;
        p->head = head % z->heads;
        if (head != packed)
            pack_head(p);
        packed = head;
        for (int64_t b = z->blocks * split / z->splits; b < z->blocks * (split + 1) / z->splits;
             b++) {
            p->first = b * z->queries;
            p->rows = MIN(z->queries, z->t - p->first);
            run_block(p);
        }
    }
}

static void
run_workers(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct attention *a = s->state;
    for (int64_t w = first; w < last; w++) {
        struct place p = {.step = s, .a = a, .calls = a->calls + w * PRODUCTS};
        lay_out(a, (char *)s->scratch + (size_t)w * a->memory, &p.m);
        run_items(&p, a->z.items * w / a->z.workers, a->z.items * (w + 1) / a->z.workers);
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
                n->params.attention.scale > 0 && z.t >= FEW &&
                z.s >= FEW && z.width >= 32 && z.width % 2 == 0 && z.width <= WIDTH_MAX &&
                (n->source_count < 4 || n->source[3]->dtype == DTYPE_F32);
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

static const struct cpu_kernel kernel = {"onednn_attention", prepare, run, release};

void
onednn_add_attention(struct cpu_table *t, const struct attention_tile *tile)
{
    if (!onednn_available())
        return;
    the_tile = tile;
    cpu_table_add(t, OP_attention, &kernel);
}

// SPDX-License-Identifier: MIT
// Attention in bf16 whose products are the library's, for processors on which these have matrix
// units (AMX) and ours have not: some ten times as fast. Formulas are in engine/ops/attention.c.
//
// Some heads at a time: their keys and values are packed once, in tiles of keys; then for each
// block of queries tile after tile is multiplied, weighed by a running softmax and multiplied with
// the values. So memory is that of a few heads and one tile of scores, however many tokens there
// are.
#include "engine/device/cpu/dnnl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/attention_rows.h"

enum { QUERIES = 512, KEYS = 512, FEW = 128, WIDEST = 512 };

struct sizes {
    int64_t n, t, s, heads, width, c; // samples, queries, keys, heads, channels of one and of all
    int64_t group;                    // heads at a time, divides them
    int64_t queries, keys;            // of a whole block and tile
};

// Both products for whole and for last blocks (0, 1) of queries and of keys.
struct attention {
    struct sizes z;
    const struct attention_tile *tile;
    struct onednn_call *score[2][2], *value[2][2];
    size_t pad; // of the calls
};

static const struct attention_tile *the_tile;

static struct sizes
sizes_of(const struct node *n)
{
    const struct shape *q = &n->source[0]->shape;
    struct sizes z = {.n = q->dim[0], .t = q->dim[1], .s = n->source[1]->shape.dim[1],
                      .heads = n->params.attention.heads, .c = q->dim[2]};
    z.width = z.c / z.heads;
    z.queries = MIN(z.t, QUERIES);
    z.keys = MIN(z.s, KEYS);
    z.group = MAX(MIN(cpu_threads() / 2, z.heads), 1);
    while (z.heads % z.group)
        z.group--;
    return z;
}

static struct onednn_arg
matrices(int64_t batch, int64_t rows, int64_t columns, enum dtype dtype)
{
    return (struct onednn_arg){.rank = 3, .dim = {batch, rows, columns},
                               .stride = {rows * columns, columns, 1}, .dtype = dtype};
}

static struct onednn_call *
product(int64_t batch, int64_t rows, int64_t inner, int64_t columns)
{
    struct onednn_params p = {
        .kind = ONEDNN_MATMUL,
        .arg = {[ONEDNN_SOURCE] = matrices(batch, rows, inner, DTYPE_BF16),
                [ONEDNN_WEIGHTS] = matrices(batch, inner, columns, DTYPE_BF16),
                [ONEDNN_RESULT] = matrices(batch, rows, columns, DTYPE_F32)}};
    return onednn_call_create(&p);
}

// What is left for the last block of `each` of `all`; 0: it is whole.
static int64_t
rest(int64_t all, int64_t each)
{
    return all % each;
}

static bool
make_calls(struct attention *a)
{
    const struct sizes *z = &a->z;
    const int64_t rows[] = {z->queries, rest(z->t, z->queries)};
    const int64_t keys[] = {z->keys, rest(z->s, z->keys)};
    for (int q = 0; q < 2; q++)
        for (int k = 0; k < 2; k++) {
            if (!rows[q] || !keys[k])
                continue;
            a->score[q][k] = product(z->group, rows[q], z->width, keys[k]);
            a->value[q][k] = product(z->group, rows[q], keys[k], z->width);
            if (!a->score[q][k] || !a->value[q][k])
                return false;
            a->pad = MAX(a->pad, MAX(onednn_call_scratch(a->score[q][k]),
                                     onednn_call_scratch(a->value[q][k])));
        }
    return strstr(onednn_call_name(a->score[0][0]), "amx") != NULL;
}

static void
free_calls(struct attention *a)
{
    for (int q = 0; q < 2; q++)
        for (int k = 0; k < 2; k++) {
            onednn_call_destroy(a->score[q][k]);
            onednn_call_destroy(a->value[q][k]);
        }
    free(a);
}

// --- Working memory

struct memory {
    void *pad;
    uint16_t *k, *v, *q, *weights; // k: tiles of (group,width,keys); v: of (group,keys,width)
    float *scores, *more, *sum;    // (group,queries,keys), (group,queries,width) twice
    float *top, *total, *keep;     // (group,queries)
};

static void *
take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return at;
}

static size_t
lay_out(const struct attention *a, char *base, struct memory *m)
{
    const struct sizes *z = &a->z;
    size_t used = 0, g = (size_t)z->group, rows = g * (size_t)z->queries;
    size_t all = g * (size_t)(z->s * z->width), row = (size_t)z->width;
    m->pad = take(base, &used, a->pad);
    m->k = take(base, &used, all * 2);
    m->v = take(base, &used, all * 2);
    m->q = take(base, &used, rows * row * 2);
    m->weights = take(base, &used, rows * (size_t)z->keys * 2);
    m->scores = take(base, &used, rows * (size_t)z->keys * 4);
    m->more = take(base, &used, rows * row * 4);
    m->sum = take(base, &used, rows * row * 4);
    m->top = take(base, &used, rows * 4);
    m->total = take(base, &used, rows * 4);
    m->keep = take(base, &used, rows * 4);
    return used;
}

// --- Running

struct place {
    const struct cpu_step *step;
    const struct attention *a;
    struct memory m;
    int64_t sample, head; // the group's first
    int64_t first, rows;  // queries
    int64_t key, keys;    // of this tile
};

static const uint16_t *
source(const struct place *p, int which, int64_t head, int64_t token)
{
    const struct sizes *z = &p->a->z;
    int64_t tokens = which ? z->s : z->t;
    return (const uint16_t *)p->step->src[which] + (p->sample * tokens + token) * z->c +
           (p->head + head) * z->width;
}

// Keys [key, key+count) of a head, transposed: (width,count).
static void
pack_keys(const struct place *p, int64_t head, int64_t key, int64_t count, uint16_t *to)
{
    enum { SIDE = 32 };
    const struct sizes *z = &p->a->z;
    for (int64_t j0 = 0; j0 < count; j0 += SIDE)
        for (int64_t d0 = 0; d0 < z->width; d0 += SIDE)
            for (int64_t j = j0; j < MIN(j0 + SIDE, count); j++) {
                const uint16_t *from = source(p, 1, head, key + j);
                for (int64_t d = d0; d < MIN(d0 + SIDE, z->width); d++)
                    to[d * count + j] = from[d];
            }
}

static void
pack_range(void *ctx, int64_t first, int64_t last)
{
    const struct place *p = ctx;
    const struct sizes *z = &p->a->z;
    for (int64_t item = first; item < last; item++) {
        int64_t key = item / z->group * z->keys, head = item % z->group;
        int64_t count = MIN(z->keys, z->s - key);
        int64_t at = key * z->group * z->width + head * count * z->width;
        pack_keys(p, head, key, count, p->m.k + at);
        for (int64_t j = 0; j < count; j++)
            memcpy(p->m.v + at + j * z->width, source(p, 2, head, key + j), (size_t)z->width * 2);
    }
}

// Queries into one block, and nothing summed yet.
static void
begin_range(void *ctx, int64_t first, int64_t last)
{
    const struct place *p = ctx;
    const struct sizes *z = &p->a->z;
    for (int64_t r = first; r < last; r++) {
        memcpy(p->m.q + r * z->width, source(p, 0, r / p->rows, p->first + r % p->rows),
               (size_t)z->width * 2);
        memset(p->m.sum + r * z->width, 0, (size_t)z->width * 4);
        p->m.top[r] = -INFINITY;
        p->m.total[r] = 0;
    }
}

static const float *
bias_of(const struct place *p, int64_t head, int64_t *pitch)
{
    if (p->step->node->source_count < 4)
        return NULL;
    const struct shape *b = &p->step->node->source[3]->shape;
    int64_t at = b->dim[0] > 1 ? p->sample : 0;
    at = at * b->dim[1] + (b->dim[1] > 1 ? p->head + head : 0);
    at = at * b->dim[2] + (b->dim[2] > 1 ? p->first : 0);
    *pitch = b->dim[2] > 1 ? b->dim[3] : 0;
    return (const float *)p->step->src[3] + at * b->dim[3] + p->key;
}

static void
weigh_range(void *ctx, int64_t first, int64_t last)
{
    const struct place *p = ctx;
    for (int64_t r = first; r < last;) {
        int64_t head = r / p->rows, to = MIN(last, (head + 1) * p->rows), at = head * p->rows;
        struct attention_rows rows = {
            .scores = p->m.scores + at * p->keys, .weights = p->m.weights + at * p->keys,
            .top = p->m.top + at, .total = p->m.total + at, .keep = p->m.keep + at,
            .keys = p->keys, .scale = (float)p->step->node->params.attention.scale};
        rows.bias = bias_of(p, head, &rows.bias_pitch);
        p->a->tile->weigh(&rows, r - at, to - at);
        r = to;
    }
}

static void
add_range(void *ctx, int64_t first, int64_t last)
{
    const struct place *p = ctx;
    p->a->tile->add(p->m.sum, p->m.more, p->m.keep, p->a->z.width, first, last);
}

static void
finish_range(void *ctx, int64_t first, int64_t last)
{
    const struct place *p = ctx;
    const struct sizes *z = &p->a->z;
    for (int64_t r = first; r < last;) {
        int64_t head = r / p->rows, to = MIN(last, (head + 1) * p->rows), at = head * p->rows;
        uint16_t *out = (uint16_t *)p->step->dst + (p->sample * z->t + p->first) * z->c +
                        (p->head + head) * z->width;
        p->a->tile->finish(out, z->c, p->m.sum + at * z->width, p->m.total + at, z->width, r - at,
                           to - at);
        r = to;
    }
}

static void
run_block(struct place *p)
{
    const struct sizes *z = &p->a->z;
    int64_t all = z->group * p->rows;
    int last_rows = p->rows < z->queries;
    cpu_parallel(all, 16, begin_range, p);
    for (p->key = 0; p->key < z->s; p->key += z->keys) {
        p->keys = MIN(z->keys, z->s - p->key);
        int last_keys = p->keys < z->keys;
        int64_t at = p->key * z->group * z->width;
        onednn_call_run(p->a->score[last_rows][last_keys],
                        (void *[]){p->m.q, p->m.k + at, NULL, p->m.scores}, p->m.pad);
        cpu_parallel(all, 4, weigh_range, p);
        onednn_call_run(p->a->value[last_rows][last_keys],
                        (void *[]){p->m.weights, p->m.v + at, NULL, p->m.more}, p->m.pad);
        cpu_parallel(all, 16, add_range, p);
    }
    cpu_parallel(all, 16, finish_range, p);
}

static void
run(struct cpu_step *s)
{
    const struct attention *a = s->state;
    const struct sizes *z = &a->z;
    struct place p = {.step = s, .a = a};
    lay_out(a, s->scratch, &p.m);
    for (p.sample = 0; p.sample < z->n; p.sample++)
        for (p.head = 0; p.head < z->heads; p.head += z->group) {
            cpu_parallel((z->s + z->keys - 1) / z->keys * z->group, 1, pack_range, &p);
            for (p.first = 0; p.first < z->t; p.first += z->queries) {
                p.rows = MIN(z->queries, z->t - p.first);
                run_block(&p);
            }
        }
}

static bool
prepare(struct cpu_step *s)
{
    const struct node *n = s->node;
    struct sizes z = sizes_of(n);
    bool fits = n->dtype == DTYPE_BF16 && z.t >= FEW && z.s >= FEW && z.width >= 32 &&
                z.width % 2 == 0 && z.width <= WIDEST &&
                (n->source_count < 4 || n->source[3]->dtype == DTYPE_F32);
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
    s->scratch_size = lay_out(a, NULL, &m);
    return true;
}

static void
release(struct cpu_step *s)
{
    free_calls(s->state);
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

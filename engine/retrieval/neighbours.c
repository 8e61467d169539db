// SPDX-License-Identifier: MIT
#include "engine/retrieval/neighbours.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/ops/op.h"

enum {
    BLOCK = 4096,  // vectors of one product: a few megabytes, which caches hold
    QUERIES = 128, // of one product
    SPARE = 256,   // candidates beyond k before they are sorted out
};

void
vectors_pack(const float *vector, int dimension, int8_t *row)
{
    float most = 0;
    for (int i = 0; i < dimension; i++)
        most = fmaxf(most, fabsf(vector[i]));
    bool usable = most > 0 && isfinite(most);
    for (int i = 0; i < dimension; i++)
        row[i] = usable && isfinite(vector[i]) ? (int8_t)lrintf(vector[i] / most * 127) : 0;
}

static double
row_length(const int8_t *row, int dimension)
{
    int64_t sum = 0;
    for (int i = 0; i < dimension; i++)
        sum += row[i] * row[i];
    return sqrt((double)sum);
}

static double
exact_distance(const float *query, const int8_t *row, int dimension)
{
    double product = 0, square = 0, length = row_length(row, dimension);
    for (int i = 0; i < dimension; i++) {
        product += (double)query[i] * row[i];
        square += (double)query[i] * query[i];
    }
    return length > 0 && square > 0 ? 1 - product / (length * sqrt(square)) : 1;
}

// --- Candidates ---------------------------------------------------------------------------------

struct candidate {
    int64_t row;
    float score; // cosine, as the device rounds it
};

// Those of one query. What scores below `low` cannot be among the answers.
struct candidates {
    struct candidate *list;
    size_t count, capacity;
    float low;
};

static int
by_score(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

// Leaves those that may be among the best k, however the scores were rounded.
static void
prune(struct candidates *c, int k, float slack)
{
    qsort(c->list, c->count, sizeof *c->list, by_score);
    if (c->count < (size_t)k)
        return;
    c->low = MAX(c->low, c->list[k - 1].score - slack);
    while (c->count > (size_t)k && c->list[c->count - 1].score < c->low)
        c->count--;
}

// --- Products -----------------------------------------------------------------------------------

struct search {
    struct graph *g;
    struct plan *plan;
    struct node *block, *queries, *scores;
    const struct vectors *v;
    float *values, *unit, *products; // (BLOCK,D) (QUERIES,D) (BLOCK,QUERIES)
    float slack;                     // twice what a score may be off by
    int k;                           // 0: all within the radius
    struct candidates of[QUERIES];
};

// |fl(x·y) - x·y| <= D eps |x| |y| for any order of summing (Higham 2002, 3.1); the length of a row
// and the division by it add less than another eps.
static float
rounding_slack(int dimension)
{
    return 2 * (float)(dimension + 4) * FLT_EPSILON;
}

static bool
search_open(struct search *s, struct device *d, const struct vectors *v, struct err *err)
{
    int64_t dim = v->dimension;
    *s = (struct search){.g = graph_create(), .v = v, .slack = rounding_slack(v->dimension)};
    s->block = graph_input(s->g, "block", SHAPE(BLOCK, dim), DTYPE_F32);
    s->queries = graph_input(s->g, "queries", SHAPE(QUERIES, dim), DTYPE_F32);
    s->scores = op_matmul(s->g, s->block, false, s->queries, true, NULL, DTYPE_F32);
    graph_output(s->g, s->scores);
    s->plan = plan_create(s->g, &(struct plan_params){.device = d}, err);
    s->values = mem_zalloc(BLOCK * (size_t)dim * sizeof *s->values);
    s->unit = mem_zalloc(QUERIES * (size_t)dim * sizeof *s->unit);
    s->products = mem_zalloc((size_t)BLOCK * QUERIES * sizeof *s->products);
    return s->plan != NULL;
}

static void
search_close(struct search *s)
{
    plan_destroy(s->plan);
    graph_destroy(s->g);
    free(s->values);
    free(s->unit);
    free(s->products);
    for (int q = 0; q < QUERIES; q++)
        free(s->of[q].list);
}

// A query of length 1, or of zeros.
static void
set_query(struct search *s, int q, const float *query)
{
    int dim = s->v->dimension;
    float *unit = s->unit + (size_t)q * (size_t)dim;
    double square = 0;
    for (int i = 0; i < dim; i++)
        square += (double)query[i] * query[i];
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int i = 0; i < dim; i++)
        unit[i] = (float)(query[i] * scale);
}

// Rows as numbers of length 1.
static void
unpack(const struct vectors *v, int64_t first, int64_t count, float *out)
{
    size_t dim = (size_t)v->dimension;
    for (int64_t r = 0; r < count; r++) {
        const int8_t *row = v->rows + (size_t)(first + r) * dim;
        float *to = out + (size_t)r * dim;
        double length = row_length(row, v->dimension);
        float scale = length > 0 ? (float)(1 / length) : 0;
        for (size_t i = 0; i < dim; i++)
            to[i] = row[i] * scale;
    }
}

static void
gather(struct search *s, int64_t first, int64_t rows, int queries)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *scores = s->products + (size_t)r * QUERIES;
        for (int q = 0; q < queries; q++) {
            struct candidates *c = &s->of[q];
            if (scores[q] < c->low)
                continue;
            if (s->k && c->count == c->capacity)
                prune(c, s->k, s->slack);
            struct candidate new = {first + r, scores[q]};
            ARRAY_PUSH(c->list, c->count, c->capacity, new);
        }
    }
}

// The candidates of the queries that were put, among all vectors.
static bool
search_run(struct search *s, int queries, float low, struct err *err)
{
    for (int q = 0; q < queries; q++) {
        s->of[q].count = 0;
        s->of[q].low = low;
        if (s->k && !s->of[q].list) {
            s->of[q].capacity = (size_t)s->k + SPARE;
            s->of[q].list = mem_alloc(s->of[q].capacity * sizeof(struct candidate));
        }
    }
    bool ok = plan_write_f32(s->plan, s->queries, s->unit, err);
    for (int64_t first = 0; ok && first < s->v->count; first += BLOCK) {
        int64_t rows = MIN(s->v->count - first, BLOCK);
        unpack(s->v, first, rows, s->values);
        ok = plan_write_f32(s->plan, s->block, s->values, err) && plan_run(s->plan, err) &&
             plan_read_f32(s->plan, s->scores, s->products, err);
        if (ok)
            gather(s, first, rows, queries);
    }
    return ok;
}

// --- Answers ------------------------------------------------------------------------------------

static int
by_distance(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void
write_nearest(const struct search *s, int q, const float *query, struct neighbour *out)
{
    const struct candidates *c = &s->of[q];
    struct neighbour *all = mem_alloc((c->count + 1) * sizeof *all);
    int dim = s->v->dimension;
    for (size_t i = 0; i < c->count; i++) {
        const int8_t *row = s->v->rows + (size_t)c->list[i].row * (size_t)dim;
        all[i] = (struct neighbour){c->list[i].row, exact_distance(query, row, dim)};
    }
    qsort(all, c->count, sizeof *all, by_distance);
    for (size_t i = 0; i < (size_t)s->k; i++)
        out[i] = i < c->count ? all[i] : (struct neighbour){-1, 2};
    free(all);
}

bool
neighbours_find(struct device *d, const struct vectors *v, const float *queries, int count, int k,
                struct neighbour *out, struct err *err)
{
    struct search s;
    bool ok = search_open(&s, d, v, err);
    s.k = k;
    for (int first = 0; ok && first < count; first += QUERIES) {
        int n = MIN(count - first, QUERIES);
        const float *these = queries + (size_t)first * (size_t)v->dimension;
        for (int q = 0; q < n; q++)
            set_query(&s, q, these + (size_t)q * (size_t)v->dimension);
        ok = search_run(&s, n, -2, err);
        for (int q = 0; ok && q < n; q++)
            write_nearest(&s, q, these + (size_t)q * (size_t)v->dimension,
                          out + (size_t)(first + q) * (size_t)k);
    }
    search_close(&s);
    return ok;
}

static void
report_within(const struct search *s, int q, int64_t of, double radius, neighbours_each *each,
              void *ctx)
{
    const struct vectors *v = s->v;
    size_t dim = (size_t)v->dimension;
    float *query = mem_alloc(dim * sizeof *query);
    for (size_t i = 0; i < dim; i++)
        query[i] = v->rows[(size_t)of * dim + i];
    for (size_t i = 0; i < s->of[q].count; i++) {
        int64_t row = s->of[q].list[i].row;
        const struct neighbour n = {
            row, exact_distance(query, v->rows + (size_t)row * dim, v->dimension)};
        if (n.distance <= radius || row == of)
            each(ctx, of, &n);
    }
    free(query);
}

bool
neighbours_within(struct device *d, const struct vectors *v, const int64_t *rows, int64_t count,
                  double radius, neighbours_each *each, void *ctx, struct err *err)
{
    struct search s;
    bool ok = search_open(&s, d, v, err);
    size_t dim = (size_t)v->dimension;
    for (int64_t first = 0; ok && first < count; first += QUERIES) {
        int n = (int)MIN(count - first, QUERIES);
        for (int q = 0; q < n; q++)
            unpack(v, rows[first + q], 1, s.unit + (size_t)q * dim);
        ok = search_run(&s, n, (float)(1 - radius) - s.slack, err);
        for (int q = 0; ok && q < n; q++)
            report_within(&s, q, rows[first + q], radius, each, ctx);
    }
    search_close(&s);
    return ok;
}

// SPDX-License-Identifier: MIT
#include "engine/retrieval/clusters.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"

enum { NEAREST = 10, KEEP = 5, SEEDS = 128 };

struct clustering {
    struct device *device;
    const struct vectors *v;
    const struct clusters_params *p;
    int nearest, keep;
    float *queries;          // (SEEDS,dimension)
    struct neighbour *found; // (SEEDS,nearest)
};

static double
distance_of(const struct vectors *v, int64_t a, int64_t b)
{
    const int8_t *x = v->rows + a * v->dimension, *y = v->rows + b * v->dimension;
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < v->dimension; i++) {
        xy += x[i] * y[i];
        xx += x[i] * x[i];
        yy += y[i] * y[i];
    }
    return xx > 0 && yy > 0 ? 1 - xy / sqrt(xx * yy) : 1;
}

static bool
is_duplicate(const struct clustering *c, int64_t a, int64_t b)
{
    const int64_t *source = c->p->source;
    return (source && source[a] >= 0 && source[a] == source[b]) ||
           distance_of(c->v, a, b) < c->p->duplicate;
}

// Picks from the neighbours of `seed`; returns whether they are enough.
static bool
pick(const struct clustering *c, int64_t seed, const struct neighbour *found, int64_t *rows)
{
    int count = 0;
    rows[count++] = seed;
    for (int i = 0; i < c->nearest && count < c->keep && found[i].row >= 0; i++) {
        bool new = found[i].row != seed;
        for (int k = 0; new &&k < count; k++)
            new = !is_duplicate(c, rows[k], found[i].row);
        if (new)
            rows[count++] = found[i].row;
    }
    return count == c->keep;
}

static bool
cluster_some(const struct clustering *c, int64_t first, int n, struct clusters *out,
             struct err *err)
{
    size_t dim = (size_t)c->v->dimension;
    for (size_t i = 0; i < (size_t)n * dim; i++)
        c->queries[i] = c->v->rows[(size_t)first * dim + i];
    if (!neighbours_find(c->device, c->v, c->queries, n, c->nearest, c->found, err))
        return false;
    for (int q = 0; q < n; q++)
        out->count += pick(c, first + q, c->found + (size_t)q * (size_t)c->nearest,
                           out->rows + (size_t)out->count * (size_t)out->keep);
    return true;
}

bool
clusters_make(struct device *d, const struct vectors *v, const struct clusters_params *p,
              struct clusters *out, struct err *err)
{
    struct clustering c = {.device = d,
                           .v = v,
                           .p = p,
                           .nearest = p->nearest ? p->nearest : NEAREST,
                           .keep = p->keep ? p->keep : KEEP};
    *out = (struct clusters){.keep = c.keep};
    out->rows =
        mem_try_calloc((size_t)(v->count + 1) * (size_t)c.keep, sizeof *out->rows, "clusters", err);
    c.queries = mem_alloc(SEEDS * (size_t)v->dimension * sizeof *c.queries);
    c.found = mem_alloc(SEEDS * (size_t)c.nearest * sizeof *c.found);
    bool ok = out->rows != NULL;
    for (int64_t first = 0; ok && first < v->count; first += SEEDS)
        ok = cluster_some(&c, first, (int)MIN(v->count - first, SEEDS), out, err);
    free(c.queries);
    free(c.found);
    if (!ok)
        clusters_finish(out);
    return ok;
}

void
clusters_finish(struct clusters *c)
{
    free(c->rows);
    *c = (struct clusters){0};
}

// SPDX-License-Identifier: MIT
#include "engine/nn/strips.h"

#include <stdio.h>

#include "engine/base/mem.h"

static int64_t
rows(const struct node *x)
{
    return x->shape.dim[1];
}

static struct node *
some_rows(struct nn *nn, struct node *x, int64_t first, int64_t count)
{
    return count == rows(x) ? x : op_slice(nn->g, x, 1, first, count);
}

struct strips
strips_cut(struct nn *nn, struct node *x, int count, int64_t unit)
{
    struct strips s = {.count = (int)MAX(1, MIN(MIN(count, STRIPS_MAX), rows(x) / unit))};
    int64_t units = rows(x) / unit, at = 0;
    for (int i = 0; i < s.count; i++) {
        int64_t end = units * (i + 1) / s.count;
        s.at[i] = some_rows(nn, x, at * unit, s.count > 1 ? (end - at) * unit : rows(x));
        at = end;
    }
    return s;
}

// Four at a time, as concat takes them.
struct node *
strips_join(struct nn *nn, const struct strips *s)
{
    enum { AT_ONCE = 4 };
    struct strips left = *s;
    while (left.count > 1) {
        int made = 0;
        for (int i = 0; i < left.count; i += AT_ONCE) {
            int n = MIN(AT_ONCE, left.count - i);
            left.at[made++] = n > 1 ? op_concat(nn->g, left.at + i, n, 1) : left.at[i];
        }
        left.count = made;
    }
    return left.at[0];
}

// --- Norms --------------------------------------------------------------------------------------

static struct node *
vector(struct nn *nn, const char *name, const char *suffix, int64_t width, enum init_rule rule)
{
    char full[NN_NAME_MAX + 16];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    struct node *v = nn_param(nn, full, SHAPE(width), PARAM_VECTOR, (struct param_init){rule, 0});
    return op_reshape(nn->g, v, SHAPE(1, width));
}

// Row `row` of (N,4,C), as (N,C).
static struct node *
row_of(struct nn *nn, struct node *sums, int row)
{
    return op_reshape(nn->g, op_slice(nn->g, sums, 1, row, 1),
                      SHAPE(sums->shape.dim[0], sums->shape.dim[2]));
}

// sum + share * x; sum NULL: 0.
static struct node *
add(struct nn *nn, struct node *sum, double share, struct node *x)
{
    x = op_affine(nn->g, x, share, 0);
    return sum ? op_add(nn->g, sum, x) : x;
}

// Mean and deviation of each strip's groups, by channel (N,C).
static void
statistics(struct nn *nn, const struct strips *x, const struct strips_norm *n, struct node *gamma,
           struct node *beta, struct node *mean[STRIPS_MAX], struct node *spread[STRIPS_MAX])
{
    for (int i = 0; i < x->count; i++) {
        struct node *one = x->at[i];
        struct node *sums = op_group_norm_sums(nn->g, one, gamma, beta, one, n->norm.groups,
                                               n->norm.eps, ACT_NONE);
        struct node *inverse = row_of(nn, sums, 3);
        mean[i] = row_of(nn, sums, 2);
        spread[i] = op_div(nn->g, inverse, op_mul(nn->g, inverse, inverse));
    }
}

struct strips_norm
strips_norm(struct nn *nn, const struct strips *x, const struct group_norm *norm, const char *name)
{
    struct graph *g = nn->g;
    struct strips_norm n = {.norm = *norm};
    int64_t width = shape_last(&x->at[0]->shape), all = 0;
    struct node *gamma = vector(nn, name, "weight", width, INIT_ONES);
    struct node *beta = vector(nn, name, "bias", width, INIT_NONE);
    struct node *mean[STRIPS_MAX], *spread[STRIPS_MAX], *middle = NULL, *square = NULL;
    n.gain[0] = gamma;
    n.offset[0] = beta;
    if (x->count == 1)
        return n;
    statistics(nn, x, &n, gamma, beta, mean, spread);
    for (int i = 0; i < x->count; i++)
        all += rows(x->at[i]);
    for (int i = 0; i < x->count; i++)
        middle = add(nn, middle, (double)rows(x->at[i]) / (double)all, mean[i]);
    for (int i = 0; i < x->count; i++) {
        mean[i] = op_sub(g, mean[i], middle);
        struct node *of_both = op_add(g, op_mul(g, spread[i], spread[i]),
                                      op_mul(g, mean[i], mean[i]));
        square = add(nn, square, (double)rows(x->at[i]) / (double)all, of_both);
    }
    struct node *whole = op_sqrt(g, square);
    for (int i = 0; i < x->count; i++) {
        n.gain[i] = op_mul(g, op_div(g, spread[i], whole), gamma);
        n.offset[i] = op_add(g, op_mul(g, op_div(g, mean[i], whole), gamma), beta);
    }
    return n;
}

// --- Convolutions -------------------------------------------------------------------------------

static struct node *
prepared(struct nn *nn, const struct strips *x, const struct strips_conv *c, int i)
{
    const struct strips_norm *n = c->norm;
    if (i >= x->count)
        return NULL;
    if (n)
        return op_group_norm(nn->g, x->at[i], n->gain[i], n->offset[i], n->norm.groups,
                             n->norm.eps, n->norm.act);
    return c->enlarged ? op_upsample2(nn->g, x->at[i]) : x->at[i];
}

// One strip between what borders on it; NULL: the picture ends there.
static struct node *
concat_neighbours(struct nn *nn, struct node *above, struct node *here, struct node *below,
                  const struct conv *c, const char *name)
{
    struct node *list[3];
    int count = 0;
    if (above)
        list[count++] = above;
    list[count++] = here;
    if (below)
        list[count++] = below;
    struct node *y = count > 1 ? op_concat(nn->g, list, count, 1) : here;
    y = nn_conv(nn, y, c, "%s", name);
    return some_rows(nn, y, above ? rows(above) : 0, rows(here));
}

struct strips
strips_conv(struct nn *nn, const struct strips *x, const struct strips_conv *c, const char *name)
{
    struct strips out = {.count = x->count};
    struct conv through = {.out = c->conv.out, .kernel = 1};
    int64_t reach = c->conv.kernel / 2; // no strip is lower
    struct node *above = NULL, *next = prepared(nn, x, c, 0);
    for (int i = 0; i < x->count; i++) {
        struct node *here = next, *below = NULL;
        next = prepared(nn, x, c, i + 1);
        if (next && reach)
            below = op_slice(nn->g, next, 1, 0, reach);
        struct node *y = concat_neighbours(nn, above, here, below, &c->conv, name);
        if (reach)
            above = next ? op_slice(nn->g, here, 1, rows(here) - reach, reach) : NULL;
        if (c->beside)
            c->beside_out->at[i] = nn_conv(nn, x->at[i], &through, "%s", c->beside);
        out.at[i] = c->add ? op_add(nn->g, c->add->at[i], y) : y;
    }
    if (c->beside)
        c->beside_out->count = x->count;
    return out;
}

struct strips
strips_halve(struct nn *nn, const struct strips *x, int out, const char *name)
{
    struct strips halves = {.count = x->count};
    struct conv down = {.out = out, .kernel = 3, .stride = 2, .pad_end = true};
    for (int i = 0; i < x->count; i++) {
        struct node *here = x->at[i];
        down.bare_below = i + 1 < x->count;
        if (down.bare_below) {
            struct node *below = op_slice(nn->g, x->at[i + 1], 1, 0, 1);
            here = op_concat(nn->g, (struct node *[]){here, below}, 2, 1);
        }
        halves.at[i] = nn_conv(nn, here, &down, "%s", name);
    }
    return halves;
}

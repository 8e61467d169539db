// SPDX-License-Identifier: MIT
#include "engine/ops/grad.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct walk {
    struct graph *g;
    int count;             // nodes when the walk began
    bool *wanted;          // by id: the gradient of this node is needed
    struct node **sum;     // by id: gradient so far
    struct node **copy;    // by id: the node made again for the backward pass, NULL: itself
    int *first, *last;     // by segment: its range of ids
    bool *recomputed;      // by segment
    int segments;
};

// Sums `dy` over the axes along which `s` was broadcast to dy's shape.
static struct node *
undo_broadcast(struct graph *g, struct node *dy, const struct shape *s)
{
    if (shape_equal(&dy->shape, s))
        return dy;
    uint32_t axes = 0;
    int missing = dy->shape.rank - s->rank;
    for (int i = 0; i < dy->shape.rank; i++)
        if (i < missing || (s->dim[i - missing] == 1 && dy->shape.dim[i] != 1))
            axes |= 1u << i;
    if (axes)
        dy = op_sum(g, dy, axes);
    return op_reshape(g, dy, *s);
}

static void
add_to(struct walk *w, struct node *n, struct node *dy)
{
    dy = undo_broadcast(w->g, dy, &n->shape);
    // The gradient of a cast goes on to the wider type, that of a weight is kept as precise as it
    // came; everything else carries gradients in its own type.
    if (n->op != OP_cast && n->op != OP_NONE)
        dy = op_cast(w->g, dy, n->dtype);
    else if (n->op == OP_NONE && dtype_size(dy->dtype) < dtype_size(n->dtype))
        dy = op_cast(w->g, dy, n->dtype);
    struct node *old = w->sum[n->id];
    if (old && dtype_size(old->dtype) < dtype_size(dy->dtype)) {
        w->sum[n->id] = op_add(w->g, dy, old);
    } else {
        w->sum[n->id] = old ? op_add(w->g, old, dy) : dy;
    }
}

static struct node *
backward_form(struct walk *w, struct node *n)
{
    return n->id < w->count && w->copy[n->id] ? w->copy[n->id] : n;
}

// Makes the nodes of a segment again, reading the originals from outside the segment.
static void
recompute(struct walk *w, int segment)
{
    w->recomputed[segment] = true;
    for (int id = w->first[segment]; id <= w->last[segment]; id++) {
        struct node *n = graph_node(w->g, id);
        if (n->segment != segment || n->op == OP_NONE || n->flags & (NODE_KEEP | NODE_EFFECT))
            continue;
        struct node *source[OP_SRC_MAX];
        for (int k = 0; k < n->source_count; k++)
            source[k] = backward_form(w, n->source[k]);
        w->copy[id] = graph_add(w->g, n->op, &n->params, source, n->source_count, n->dtype,
                                &n->shape);
    }
}

static void
find_segments(struct walk *w)
{
    for (int id = 0; id < w->count; id++)
        w->segments = MAX(w->segments, graph_node(w->g, id)->segment + 1);
    w->first = mem_zalloc((size_t)w->segments * sizeof *w->first);
    w->last = mem_zalloc((size_t)w->segments * sizeof *w->last);
    w->recomputed = mem_zalloc((size_t)w->segments);
    for (int id = w->count - 1; id >= 0; id--) {
        int s = graph_node(w->g, id)->segment;
        w->first[s] = id;
        w->last[s] = MAX(w->last[s], id);
    }
}

static bool
backward_step(struct walk *w, struct node *n, struct err *err)
{
    const struct op_row *row = &op_rows[n->op];
    if (!row->grad)
        return err_set(err, ERR_UNSUPPORTED, "op %s (node %d) has no gradient", row->name, n->id);
    if (n->segment && !w->recomputed[n->segment])
        recompute(w, n->segment);
    struct node *dy = w->sum[n->id], *dx[OP_SRC_MAX] = {0};
    if (n->op != OP_cast)
        dy = op_cast(w->g, dy, n->dtype);
    row->grad(w->g, backward_form(w, n), dy, dx);
    for (int k = 0; k < n->source_count; k++)
        if (dx[k] && w->wanted[n->source[k]->id])
            add_to(w, n->source[k], dx[k]);
    return true;
}

bool
grad_each(struct graph *g, struct node *loss, struct node *const *of, int count,
          grad_take_fn *take, void *ctx, struct err *err)
{
    if (graph_error(g)->code != ERR_NONE)
        return err_set(err, graph_error(g)->code, "%s", graph_error(g)->text);
    struct walk w = {.g = g, .count = graph_count(g)};
    bool ok = true;
    int *asked = mem_zalloc((size_t)w.count * sizeof *asked); // by id: i + 1 of of[i]
    w.wanted = mem_zalloc((size_t)w.count);
    w.sum = mem_zalloc((size_t)w.count * sizeof(struct node *));
    w.copy = mem_zalloc((size_t)w.count * sizeof(struct node *));
    find_segments(&w);
    graph_segment(g, 0);
    for (int i = 0; i < count; i++) {
        w.wanted[of[i]->id] = true;
        asked[of[i]->id] = i + 1;
    }
    for (int id = 0; id < w.count; id++) {
        struct node *n = graph_node(g, id);
        for (int k = 0; k < n->source_count; k++)
            w.wanted[id] |= w.wanted[n->source[k]->id];
    }
    w.sum[loss->id] = op_affine(g, loss, 0, 1);
    for (int id = loss->id; ok && id >= 0; id--) {
        struct node *n = graph_node(g, id);
        if (!w.wanted[id] || !w.sum[id])
            continue;
        if (asked[id]) // what reads it has been walked
            take(ctx, asked[id] - 1, w.sum[id]);
        if (n->op != OP_NONE)
            ok = backward_step(&w, n, err);
    }
    if (ok && graph_error(g)->code != ERR_NONE)
        ok = err_set(err, graph_error(g)->code, "gradient: %s", graph_error(g)->text);
    free(asked);
    free(w.wanted);
    free(w.sum);
    free(w.copy);
    free(w.first);
    free(w.last);
    free(w.recomputed);
    return ok;
}

static void
store_gradient(void *ctx, int i, struct node *gradient)
{
    struct node **kept = ctx;
    kept[i] = gradient;
}

bool
grad_add(struct graph *g, struct node *loss, struct node *const *of, int count,
         struct node **gradient, struct err *err)
{
    for (int i = 0; i < count; i++)
        gradient[i] = NULL;
    return grad_each(g, loss, of, count, store_gradient, gradient, err);
}

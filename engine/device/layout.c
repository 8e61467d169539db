// SPDX-License-Identifier: MIT
// The memory plan: lifetimes to offsets in one arena.
//
// A tensor lives from the step that writes it to the last step that reads it; inputs and outputs
// live through the whole plan. Two tensors may share bytes exactly when their lifetimes do not
// meet. Tensors are placed largest first, each at the lowest offset that is free during its whole
// life ("greedy by size", Pisarchyk & Lee 2020), which in practice comes within a few percent of
// the lower bound: the bytes that live at the worst moment.
//
// An elementwise step may take over the memory of a source that dies there.
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/device/plan.h"

struct span {
    int id;          // node that owns the memory
    int first, last; // steps, inclusive
    size_t size, offset;
    int into;        // the span that took it over, or -1
};

const struct node *
plan_root(const struct node *n)
{
    while (n->op != OP_NONE && (op_rows[n->op].kind == KERNEL_VIEW ||
                                op_rows[n->op].kind == KERNEL_INPLACE))
        n = n->source[0];
    return n;
}

static void
mark_live(struct plan *p)
{
    for (int id = graph_count(p->graph) - 1; id >= 0; id--) {
        const struct node *n = graph_node(p->graph, id);
        if (n->flags & (NODE_OUTPUT | NODE_EFFECT | NODE_INPUT))
            p->live[id] = true;
        for (int k = 0; p->live[id] && k < n->source_count; k++)
            p->live[n->source[k]->id] = true;
    }
}

// Lifetimes of all tensors that own memory in the arena; owner[id] is the span of node id or -1.
static int
find_spans(struct plan *p, struct span *spans, int *owner)
{
    int count = 0, total = graph_count(p->graph), step = 0, last_step = p->step_count;
    for (int id = 0; id < total; id++) {
        const struct node *n = graph_node(p->graph, id);
        owner[id] = -1;
        if (!p->live[id])
            continue;
        bool runs = n->op != OP_NONE && op_rows[n->op].kind != KERNEL_VIEW;
        if (plan_root(n) == n && !(n->flags & NODE_BOUND)) {
            owner[id] = count;
            spans[count++] = (struct span){.id = id, .first = step, .last = step,
                                           .size = node_bytes(n), .into = -1};
            if (n->flags & NODE_INPUT) {
                spans[owner[id]].first = 0;
                spans[owner[id]].last = last_step;
            }
        } else {
            owner[id] = owner[plan_root(n)->id];
        }
        for (int k = 0; runs && k < n->source_count; k++) {
            int o = owner[n->source[k]->id];
            if (o >= 0)
                spans[o].last = MAX(spans[o].last, step);
        }
        if (n->flags & NODE_OUTPUT && owner[id] >= 0)
            spans[owner[id]].last = last_step;
        step += runs;
    }
    return count;
}

static int
resolve(const struct span *spans, int k)
{
    while (k >= 0 && spans[k].into >= 0)
        k = spans[k].into;
    return k;
}

// Lets elementwise steps write over a source that dies with them: the two spans become one.
static void
share_memory(struct plan *p, struct span *spans, int *owner)
{
    int step = 0;
    for (int id = 0; id < graph_count(p->graph); id++) {
        const struct node *n = graph_node(p->graph, id);
        if (!p->live[id] || n->op == OP_NONE || op_rows[n->op].kind == KERNEL_VIEW)
            continue;
        int now = step++, to = owner[id];
        if (op_rows[n->op].kind != KERNEL_EACH || to < 0)
            continue;
        for (int k = 0; k < n->source_count; k++) {
            int from = resolve(spans, owner[n->source[k]->id]);
            if (from < 0 || from == to || spans[from].last != now ||
                spans[from].size != spans[to].size ||
                shape_count(&n->source[k]->shape) != shape_count(&n->shape) ||
                node_bytes(n->source[k]) != spans[to].size)
                continue;
            // The same source twice (x*x) is fine: both are read at the index that is written.
            spans[from].last = spans[to].last;
            spans[to].size = 0;
            spans[to].into = from;
            break;
        }
    }
    for (int id = 0; id < graph_count(p->graph); id++)
        owner[id] = resolve(spans, owner[id]);
}

static int
by_size(const void *a, const void *b)
{
    const struct span *x = *(struct span *const *)a, *y = *(struct span *const *)b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

static int
by_offset(const void *a, const void *b)
{
    const struct span *x = *(struct span *const *)a, *y = *(struct span *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void
place_spans(struct plan *p, struct span *spans, int count, size_t alignment)
{
    struct span **order = mem_alloc((size_t)count * sizeof *order);
    struct span **near = mem_alloc((size_t)count * sizeof *near);
    int placed = 0;
    for (int i = 0; i < count; i++) {
        spans[i].size = (spans[i].size + alignment - 1) / alignment * alignment;
        order[i] = &spans[i];
    }
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (; placed < count && order[placed]->size; placed++) {
        struct span *s = order[placed];
        int meet = 0;
        for (int i = 0; i < placed; i++)
            if (order[i]->first <= s->last && s->first <= order[i]->last)
                near[meet++] = order[i];
        qsort(near, (size_t)meet, sizeof *near, by_offset);
        size_t offset = 0;
        for (int i = 0; i < meet && near[i]->offset < offset + s->size; i++)
            offset = MAX(offset, near[i]->offset + near[i]->size);
        s->offset = offset;
        p->arena_size = MAX(p->arena_size, offset + s->size);
    }
    free(order);
    free(near);
}

static size_t
peak_bytes(const struct plan *p, const struct span *spans, int count)
{
    size_t *change = mem_zalloc((size_t)(p->step_count + 2) * sizeof *change), worst = 0, now = 0;
    for (int i = 0; i < count; i++) {
        change[spans[i].first] += spans[i].size;
        change[spans[i].last + 1] -= spans[i].size; // unsigned wrap-around cancels out
    }
    for (int step = 0; step <= p->step_count; step++) {
        now += change[step];
        worst = MAX(worst, now);
    }
    free(change);
    return worst;
}

// The promise of the plan, checked in every build: no two living tensors share a byte.
static void
verify_no_overlap(const struct span *spans, int count)
{
    for (int i = 0; i < count; i++)
        for (int k = i + 1; k < count && spans[i].size; k++)
            require(!spans[k].size || spans[i].last < spans[k].first ||
                    spans[k].last < spans[i].first ||
                    spans[i].offset + spans[i].size <= spans[k].offset ||
                    spans[k].offset + spans[k].size <= spans[i].offset);
}

// Bytes from where its owner begins.
static size_t
offset_within(const struct node *n)
{
    size_t offset = 0;
    for (const struct node *v = n; v != plan_root(n); v = v->source[0])
        if (v->op == OP_part)
            offset += dtype_bytes(v->dtype, v->params.part.offset);
    return offset;
}

// Where each tensor is. A plan that is only measured has no device, and no buffers to lie in.
static bool
find_places(struct plan *p, const struct span *spans, const int *owner, struct err *err)
{
    for (int id = 0; id < graph_count(p->graph); id++) {
        const struct node *n = graph_node(p->graph, id), *root = plan_root(n);
        if (!p->live[id])
            continue;
        size_t offset = offset_within(n);
        if (!(root->flags & NODE_BOUND)) {
            p->places[id] = (struct place){SLOT_ARENA, spans[owner[id]].offset + offset};
            continue;
        }
        p->places[id] = (struct place){root->slot, root->offset + offset};
        const struct buffer *slot = p->slots[root->slot];
        size_t end = p->places[id].offset + node_bytes(n);
        if (p->params.device && (!slot || end > buffer_size(slot)))
            return err_set(err, ERR_INPUT, "tensor %s lies outside its buffer", root->name);
    }
    return true;
}

bool
plan_layout(struct plan *p, size_t alignment, struct err *err)
{
    int total = graph_count(p->graph);
    if (graph_error(p->graph)->code != ERR_NONE)
        return err_set(err, graph_error(p->graph)->code, "%s", graph_error(p->graph)->text);
    p->live = mem_zalloc((size_t)total);
    p->places = mem_zalloc((size_t)total * sizeof *p->places);
    p->steps = mem_zalloc((size_t)total * sizeof *p->steps);
    mark_live(p);
    for (int id = 0; id < total; id++) {
        struct node *n = graph_node(p->graph, id);
        if (p->live[id] && n->op != OP_NONE && op_rows[n->op].kind != KERNEL_VIEW)
            p->steps[p->step_count++] = n;
    }
    struct span *spans = mem_zalloc((size_t)(total + 1) * sizeof *spans);
    int *owner = mem_alloc((size_t)(total + 1) * sizeof *owner);
    int count = find_spans(p, spans, owner);
    share_memory(p, spans, owner);
    place_spans(p, spans, count, alignment);
    p->lower_bound = peak_bytes(p, spans, count);
    verify_no_overlap(spans, count);
    bool ok = find_places(p, spans, owner, err);
    free(spans);
    free(owner);
    return ok;
}

void
plan_layout_free(struct plan *p)
{
    free(p->live);
    free(p->places);
    free(p->steps);
}

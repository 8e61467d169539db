// SPDX-License-Identifier: MIT
#include "engine/draw/stage.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"

// One picture needs at most: two lengths of text, one reference plan, steps with and without
// context, the second pass, and two that decode.
enum { STAGES_MAX = 10 };

// --- Made and kept ----------------------------------------------------------------------------

static void
stage_destroy(struct stage *t)
{
    plan_destroy(t->plan);
    nn_finish(&t->nn);
    ports_finish(&t->ports);
    graph_destroy(t->g);
    free(t);
}

static struct stage *
stage_create(struct stages *s, const struct stage_key *key, struct err *err)
{
    struct stage *t = mem_zalloc(sizeof *t);
    t->key = *key;
    t->device = s->device;
    t->g = graph_create();
    t->nn = (struct nn){.g = t->g, .params = s->params, .dtype = s->dtype};
    require(s->folder->family->build[key->kind]);
    s->folder->family->build[key->kind](&t->nn, &s->folder->parts, key, &t->ports);
    struct plan_params p = {
        .device = s->device, .slots[SLOT_PARAMS] = s->block, .constant_params = true};
    t->plan = plan_create(t->g, &p, err);
    if (t->plan && nn_constants_write(&t->nn, t->plan, err))
        return t;
    stage_destroy(t);
    return NULL;
}

static bool
same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same(const struct stage_key *a, const struct stage_key *b)
{
    return a->kind == b->kind && same_name(a->part, b->part) && a->batch == b->batch &&
           a->references == b->references && a->tokens == b->tokens;
}

// Of those nobody holds; where all are held the house grows.
static void
drop_oldest(struct stages *s)
{
    int oldest = -1;
    for (int i = 0; i < s->count; i++)
        if (s->list[i]->holders == 0 &&
            (oldest < 0 || s->list[i]->used < s->list[oldest]->used))
            oldest = i;
    if (oldest < 0)
        return;
    stage_destroy(s->list[oldest]);
    s->list[oldest] = s->list[--s->count];
}

static struct stage *
find(struct stages *s, const struct stage_key *key)
{
    for (int i = 0; i < s->count; i++)
        if (same(&s->list[i]->key, key))
            return s->list[i];
    return NULL;
}

struct stage *
stages_get(struct stages *s, const struct stage_key *key, struct err *err)
{
    struct stage *t = find(s, key);
    if (!t) {
        if (s->count >= STAGES_MAX)
            drop_oldest(s);
        t = stage_create(s, key, err);
        if (!t)
            return NULL;
        ARRAY_PUSH(s->list, s->count, s->capacity, t);
    }
    t->used = ++s->clock;
    t->holders++;
    return t;
}

void
stage_release(struct stage *t)
{
    if (!t)
        return;
    require(t->holders > 0);
    t->holders--;
}

void
stages_finish(struct stages *s)
{
    for (int i = 0; i < s->count; i++)
        stage_destroy(s->list[i]);
    free(s->list);
    s->list = NULL;
    s->count = s->capacity = 0;
}

size_t
stages_memory(const struct stages *s)
{
    size_t sum = 0;
    for (int i = 0; i < s->count; i++) {
        struct plan_stats stats;
        plan_stats(s->list[i]->plan, &stats);
        sum += stats.arena + stats.scratch + stats.packed;
    }
    return sum;
}

// --- Values -----------------------------------------------------------------------------------

bool
stage_has_input(const struct stage *t, const char *name)
{
    return ports_find_input(&t->ports, name) != NULL;
}

bool
stage_write(struct stage *t, const char *name, const float *values, struct err *err)
{
    struct node *n = ports_find_input(&t->ports, name);
    require(n);
    return plan_write_f32(t->plan, n, values, err);
}

bool
stage_read(struct stage *t, const char *name, float *values, struct err *err)
{
    struct node *n = ports_find_output(&t->ports, name);
    require(n);
    return plan_read_f32(t->plan, n, values, err);
}

bool
stage_fill(struct stage *t, const char *name, double value, struct err *err)
{
    struct node *n = ports_find_input(&t->ports, name);
    require(n);
    size_t count = (size_t)shape_count(&n->shape);
    float *all = mem_alloc(count * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = (float)value;
    bool ok = plan_write_f32(t->plan, n, all, err);
    free(all);
    return ok;
}

bool
stage_join(struct stage *to, struct stage *from, struct err *err)
{
    for (int i = 0; i < from->ports.output_count; i++) {
        struct node *output = from->ports.outputs[i];
        struct node *input = ports_find_input(&to->ports, output->name);
        if (input && !plan_copy(to->plan, input, from->plan, output, err))
            return false;
    }
    return true;
}

static struct node *
find_joined(const struct stage *to, const char *before, const char *name)
{
    char *whole = mem_printf("%s%s", before, name);
    struct node *n = ports_find_input(&to->ports, whole);
    free(whole);
    return n;
}

static size_t
row_bytes(const struct node *n)
{
    return dtype_bytes(n->dtype, shape_count(&n->shape) / n->shape.dim[0]);
}

bool
stage_join_row(struct stage *to, int row, const char *before, struct stage *from, struct err *err)
{
    for (int i = 0; i < from->ports.output_count; i++) {
        struct node *output = from->ports.outputs[i];
        struct node *input = find_joined(to, before, output->name);
        if (input && !plan_copy_into(to->plan, input, (size_t)row * row_bytes(input), from->plan,
                                     output, err))
            return false;
    }
    return true;
}

bool
port_set_take(struct port_set *set, struct stage *from, struct err *err)
{
    port_set_finish(set);
    for (int i = 0; i < from->ports.output_count; i++) {
        struct node *n = from->ports.outputs[i];
        size_t size = node_bytes(n);
        struct port_value v = {mem_strdup(n->name), NULL};
        v.buffer = buffer_create(from->device, size, n->name, err);
        ARRAY_PUSH(set->list, set->count, set->capacity, v);
        if (!v.buffer || !plan_save(from->plan, n, v.buffer, err))
            return false;
    }
    return true;
}

bool
port_set_give(const struct port_set *set, const char *before, struct stage *to, struct err *err)
{
    for (int i = 0; i < set->count; i++) {
        struct node *input = find_joined(to, before, set->list[i].name);
        for (int64_t row = 0; input && row < input->shape.dim[0]; row++)
            if (!plan_restore(to->plan, input, (size_t)row * row_bytes(input),
                              set->list[i].buffer, err))
                return false;
    }
    return true;
}

void
port_set_finish(struct port_set *set)
{
    for (int i = 0; i < set->count; i++) {
        free(set->list[i].name);
        buffer_destroy(set->list[i].buffer);
    }
    free(set->list);
    *set = (struct port_set){0};
}

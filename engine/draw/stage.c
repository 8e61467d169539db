// SPDX-License-Identifier: MIT
#include "engine/draw/stage.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"

// One picture needs at most: two lengths of text, one condition stage, one reference plan, steps
// with and without context and with things to avoid, the second pass, and four that decode or
// encode.
enum { STAGES_MAX = 16 };

static void
stage_destroy(struct stage *t)
{
    plan_destroy(t->plan);
    nn_finish(&t->nn);
    ports_finish(&t->ports);
    graph_destroy(t->g);
    free(t);
}

static size_t
own_bytes(const struct stage *t)
{
    struct plan_stats stats;
    plan_stats(t->plan, &stats);
    return stats.arena + stats.scratch + stats.packed;
}

static size_t
stage_bytes(const struct stage *t)
{
    struct plan_stats stats;
    plan_stats(t->plan, &stats);
    return own_bytes(t) + stats.streamed;
}

// --- Which parts are in memory ----------------------------------------------------------------

static bool
is_held(const struct stages *s, const struct part_weights *p)
{
    for (int i = 0; i < s->count; i++)
        if (s->list[i]->weights == p && s->list[i]->refs)
            return true;
    return false;
}

static void
evict(struct stages *s, struct part_weights *p)
{
    for (int i = s->count - 1; i >= 0; i--)
        if (s->list[i]->weights == p) {
            stage_destroy(s->list[i]);
            s->list[i] = s->list[--s->count];
        }
    weights_unload(p);
}

// Evicts the least recently used part that is not needed now; never `but`. False: there is none.
static bool
evict_oldest(struct stages *s, const struct part_weights *but)
{
    struct part_weights *oldest = NULL;
    for (int i = 0; i < s->weights.count; i++) {
        struct part_weights *p = &s->weights.list[i];
        if (p->block && p != but && !is_held(s, p) && (!oldest || p->used < oldest->used))
            oldest = p;
    }
    if (oldest)
        evict(s, oldest);
    return oldest != NULL;
}

static size_t
room(const struct stages *s)
{
    size_t used = stages_memory(s);
    if (!s->memory)
        return device_room(s->device);
    return s->memory > used ? s->memory - used : 0;
}

size_t
stages_room(const struct stages *s)
{
    size_t left = s->memory ? s->memory : device_room(s->device);
    return s->memory || left == SIZE_MAX ? left : left + stages_memory(s);
}

// Drops the least recently used stage that is not held; false: all are held.
static bool
drop_oldest(struct stages *s)
{
    int oldest = -1;
    for (int i = 0; i < s->count; i++)
        if (s->list[i]->refs == 0 && (oldest < 0 || s->list[i]->used < s->list[oldest]->used))
            oldest = i;
    if (oldest < 0)
        return false;
    stage_destroy(s->list[oldest]);
    s->list[oldest] = s->list[--s->count];
    return true;
}

static size_t
plan_bytes(struct graph *g, const struct device *d)
{
    return plan_copies(g, d) + plan_arena(g, d, NULL) + plan_scratch(g, d);
}

static size_t
largest_matrix(const struct part_weights *p)
{
    size_t largest = 0;
    for (int i = 0; i < params_entries(p->params); i++)
        largest = MAX(largest, params_at(p->params, i)->size);
    return largest;
}

// The memory a plan needs for weights that are not in the device's memory. Except on devices with
// device_reads() they are streamed through a ring (engine/device/vulkan/offload.c).
static size_t
streamed_bytes(struct stages *s, struct graph *g, struct part_weights *p, struct err *err)
{
    if (!device_reads(s->device))
        return 2 * largest_matrix(p);
    const struct weights_source *source = weights_source(&s->weights, p, err);
    return source ? plan_streamed(g, s->device, source) : 0;
}

// Frees stages and parts until `need` bytes fit, before any memory is allocated.
static void
make_room(struct stages *s, size_t need, const struct part_weights *but)
{
    while (need > room(s) && (drop_oldest(s) || evict_oldest(s, but)))
        ;
}

// The weights are streamed if the device has no room for them even alone.
static bool
load(struct stages *s, struct part_weights *p, size_t need, struct err *err)
{
    bool offload = device_offload(s->device);
    bool streams = !offload && need + s->beside > room(s) && device_streams(s->device);
    if (streams)
        log_line(LOG_NOTICE, "model", "%s, %.1f GB of weights, does not fit the %s and comes piece "
                 "by piece in each step", p->part->name, (double)params_bytes(p->params) / 1e9,
                 device_reads(s->device) ? "memory: it stays in its file"
                                         : "device: it stays in the machine's memory");
    device_set_offload(s->device, offload || streams);
    bool ok = weights_load(&s->weights, p, err);
    device_set_offload(s->device, offload);
    return ok;
}

// Loads the part of a stage whose graph has been built, after making as much room as possible.
static bool
make_resident(struct stages *s, const struct stage *t, struct err *err)
{
    struct part_weights *p = t->weights;
    bool there = !p || p->block;
    size_t need = plan_bytes(t->g, s->device) + (there ? 0 : params_bytes(p->params));
    struct err why = {0};
    if (p && there && buffer_streamed(p->block))
        need += streamed_bytes(s, t->g, p, &why);
    make_room(s, need, p);
    while (!there && !load(s, p, need, &why)) {
        if (why.code != ERR_MEMORY || !evict_oldest(s, p))
            return err_set(err, why.code, "%s", why.text);
        err_clear(&why);
    }
    return true;
}

static bool
make_plan(struct stages *s, struct stage *t, struct err *err)
{
    struct plan_params p = {.device = s->device, .constant_params = true};
    struct err why = {0};
    p.slots[SLOT_PARAMS] = t->weights ? t->weights->block : NULL;
    while (!(t->plan = plan_create(t->g, &p, &why))) {
        if (why.code != ERR_MEMORY || !evict_oldest(s, t->weights))
            return err_set(err, why.code, "%s", why.text);
        err_clear(&why);
    }
    return true;
}

// --- Made and kept ----------------------------------------------------------------------------

// For steps it is the part of the pass.
static struct part_weights *
weights_of(struct stages *s, const struct stage_key *key)
{
    const char *part = key->kind == STAGE_STEP ? key->part : s->folder->family->part[key->kind];
    struct part_weights *p = part ? weights_find(&s->weights, part) : NULL;
    require(p || !part);
    return p;
}

static void
build(struct stages *s, struct stage *t)
{
    const struct family *f = s->folder->family;
    t->nn = (struct nn){.g = t->g, .dtype = s->dtype};
    if (t->weights) {
        t->nn.params = t->weights->params;
        t->nn.dtype = t->weights->dtype;
    }
    require(f->build[t->key.kind]);
    f->build[t->key.kind](&t->nn, &s->folder->parts, &t->key, &t->ports);
}

static struct stage *
stage_create(struct stages *s, const struct stage_key *key, struct err *err)
{
    struct stage *t = mem_zalloc(sizeof *t);
    t->key = *key;
    t->device = s->device;
    t->g = graph_create();
    t->weights = weights_of(s, key);
    build(s, t);
    if (make_resident(s, t, err) && make_plan(s, t, err) &&
        nn_constants_write(&t->nn, t->plan, err))
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
same_size(struct picture_size a, struct picture_size b)
{
    return a.height == b.height && a.width == b.width;
}

static bool
same_sizes(const struct stage_key *a, const struct stage_key *b)
{
    bool same = same_size(a->size, b->size);
    for (int i = 0; i < LIMIT_INSTRUCTION_REFERENCES; i++)
        same = same && same_size(a->reference[i], b->reference[i]);
    return same;
}

static bool
same(const struct stage_key *a, const struct stage_key *b)
{
    return a->kind == b->kind && same_name(a->part, b->part) && a->batch == b->batch &&
           a->references == b->references && a->tokens == b->tokens &&
           a->weighted == b->weighted && a->copy == b->copy && same_sizes(a, b);
}

static struct stage *
find(struct stages *s, const struct stage_key *key)
{
    for (int i = 0; i < s->count; i++)
        if (same(&s->list[i]->key, key))
            return s->list[i];
    return NULL;
}

bool
stages_init(struct stages *s, const struct model_folder *folder, struct device *device,
            enum dtype dtype, enum dtype blocks, struct err *err)
{
    const struct device_limits *l = device_limits(device);
    *s = (struct stages){.folder = folder, .device = device, .blocks = blocks};
    s->dtype = dtype ? dtype : l->bf16 ? DTYPE_BF16 : l->f16 ? DTYPE_F16 : DTYPE_F32;
    return weights_init(&s->weights, folder, device, s->dtype, blocks, err);
}

struct stage *
stages_get(struct stages *s, const struct stage_key *key, struct err *err)
{
    struct stage *t = find(s, key);
    if (!t) {
        if (s->count >= STAGES_MAX)
            drop_oldest(s); // if all are held, the list grows
        t = stage_create(s, key, err);
        if (!t)
            return NULL;
        ARRAY_PUSH(s->list, s->count, s->capacity, t);
    }
    t->used = ++s->clock;
    if (t->weights)
        t->weights->used = t->used;
    t->refs++;
    stages_peak(s, false);
    return t;
}

void
stage_release(struct stage *t)
{
    if (!t)
        return;
    require(t->refs > 0);
    t->refs--;
}

void
stages_finish(struct stages *s)
{
    for (int i = 0; i < s->count; i++)
        stage_destroy(s->list[i]);
    free(s->list);
    s->list = NULL;
    s->count = s->capacity = 0;
    weights_finish(&s->weights);
}

void
stages_renew(struct stages *s)
{
    for (int i = 0; i < s->weights.count; i++)
        if (!is_held(s, &s->weights.list[i]) && weights_are_stale(&s->weights.list[i])) {
            evict(s, &s->weights.list[i]);
            weights_close_reader(&s->weights.list[i]);
        }
}

bool
stages_need(struct stages *s, const struct stage_key *key, struct stage_need *need,
            struct err *err)
{
    struct stage *t = find(s, key);
    struct stage made = {.key = *key, .weights = weights_of(s, key)};
    struct err own = {0};
    *need = (struct stage_need){.weights = made.weights};
    if (t) {
        need->plan = own_bytes(t);
    } else {
        t = &made;
        t->g = graph_create();
        build(s, t);
        need->plan = plan_bytes(t->g, s->device);
    }
    for (int i = 0; i < t->ports.output_count; i++)
        need->outputs += node_bytes(t->ports.outputs[i]);
    const struct err *why = graph_error(t->g);
    if (made.weights && why->code == ERR_NONE && device_streams(s->device)) {
        need->streamed = streamed_bytes(s, t->g, made.weights, &own);
        why = &own;
    }
    bool ok = why->code == ERR_NONE || err_set(err, why->code, "%s", why->text);
    nn_finish(&made.nn);
    ports_finish(&made.ports);
    graph_destroy(made.g);
    return ok;
}

size_t
stages_peak(struct stages *s, bool anew)
{
    size_t now = stages_memory(s);
    return s->peak = anew ? now : MAX(s->peak, now);
}

size_t
stages_memory(const struct stages *s)
{
    size_t sum = weights_bytes(&s->weights);
    for (int i = 0; i < s->count; i++)
        sum += stage_bytes(s->list[i]);
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
    float *all = mem_try_calloc(count, sizeof *all, name, err);
    for (size_t i = 0; all && i < count; i++)
        all[i] = (float)value;
    bool ok = all && plan_write_f32(t->plan, n, all, err);
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
port_set_read(struct port_set *set, const char *before, struct stage *from, struct err *err)
{
    for (int i = 0; i < from->ports.output_count; i++) {
        struct node *n = from->ports.outputs[i];
        size_t size = node_bytes(n);
        struct port_value v = {mem_printf("%s%s", before, n->name), NULL};
        v.buffer = buffer_create(from->device, size, n->name, err);
        ARRAY_PUSH(set->list, set->count, set->capacity, v);
        if (!v.buffer || !plan_save(from->plan, n, v.buffer, err))
            return false;
    }
    return true;
}

bool
port_set_write(const struct port_set *set, const char *before, struct stage *to, struct err *err)
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

bool
port_set_write_row(const struct port_set *set, const char *before, int row, struct stage *to,
                   struct err *err)
{
    for (int i = 0; i < set->count; i++) {
        struct node *input = find_joined(to, before, set->list[i].name);
        if (input && !plan_restore(to->plan, input, (size_t)row * row_bytes(input),
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

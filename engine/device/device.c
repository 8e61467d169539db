// SPDX-License-Identifier: MIT
#include "engine/device/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/device/plan.h"

static const struct device_table *const tables[] = {
#ifdef HAVE_VULKAN
    &device_vulkan,
#endif
    &device_cpu, &device_null};

static struct device *
open_table(const struct device_table *table, const char *number, struct err *err)
{
    struct device *d = mem_zalloc(sizeof *d);
    d->table = table;
    d->number = number;
    d->limits.alignment = 64;
    if (table->open(d, err)) {
        d->number = NULL;
        return d;
    }
    free(d);
    return NULL;
}

// The first that is a device of its own; a software driver is slower than the CPU.
static struct device *
open_best(struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        struct err ignored = {0};
        if (tables[i]->probe && !tables[i]->probe())
            continue;
        struct device *d = open_table(tables[i], NULL, tables[i] == &device_cpu ? err : &ignored);
        if (d && !d->limits.emulated)
            return d;
        device_close(d);
        if (tables[i] == &device_cpu)
            break;
    }
    return NULL;
}

struct device *
device_open(const char *name, struct err *err)
{
    if (strcmp(name, "auto") == 0)
        return open_best(err);
    size_t length = strcspn(name, ":");
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        const char *kind = tables[i]->kind;
        if (strncmp(kind, name, length) != 0 || kind[length])
            continue;
        const char *number = name[length] ? name + length + 1 : NULL;
        if (number && strcmp(kind, "vulkan") != 0)
            break;
        return open_table(tables[i], number, err);
    }
#ifndef HAVE_VULKAN
    if (strncmp(name, "vulkan", 6) == 0) {
        err_set(err, ERR_UNSUPPORTED, "this build of limn has no Vulkan device");
        return NULL;
    }
#endif
    err_set(err, ERR_INPUT,
            "no device is called '%.40s' (there are auto, cpu, vulkan, vulkan:N and "
            "null)",
            name);
    return NULL;
}

int
device_list(struct device_info *list, int max)
{
    int count = 0;
    for (size_t i = 0; i < COUNT_OF(tables) && count < max; i++) {
        if (tables[i]->list) {
            count += tables[i]->list(list + count, max - count);
            continue;
        }
        struct err err = {0};
        struct device_info *info = &list[count++];
        *info = (struct device_info){0};
        snprintf(info->name, sizeof info->name, "%s", tables[i]->kind);
        struct device *d = open_table(tables[i], NULL, &err);
        if (d) {
            snprintf(info->text, sizeof info->text, "%s", d->limits.name);
            info->memory = d->limits.memory;
            info->f32 = true;
            info->f16 = d->limits.f16;
            info->bf16 = d->limits.bf16;
        } else {
            snprintf(info->reason, sizeof info->reason, "%.290s", err.text);
        }
        device_close(d);
    }
    return count;
}

void
device_close(struct device *d)
{
    if (!d)
        return;
    d->table->close(d);
    free(d);
}

bool
device_wait(struct device *d, struct err *err)
{
    return !d->table->wait || d->table->wait(d, err);
}

// Bytes a second of y = x + 1 over a tensor larger than any cache.
static bool
measure_copy(struct device *d, double *bytes, struct err *err)
{
    enum { COUNT = 16 << 20, RUNS = 4 };
    struct graph *g = graph_create();
    struct node *y = op_affine(g, graph_input(g, "x", SHAPE(COUNT), DTYPE_F32), 1, 1);
    graph_output(g, y);
    struct plan *p = plan_create(g, &(struct plan_params){.device = d}, err);
    double best = 1e30;
    bool ok = p != NULL;
    for (int i = 0; ok && i < RUNS; i++) {
        double start = clock_seconds();
        ok = plan_run(p, err) && device_wait(d, err);
        best = i ? MIN(best, clock_seconds() - start) : best;
    }
    *bytes = 8.0 * COUNT / best;
    plan_destroy(p);
    graph_destroy(g);
    return ok;
}

bool
device_measure(struct device *d, enum dtype dtype, struct device_ceilings *c, struct err *err)
{
    *c = (struct device_ceilings){0};
    if (!d->table->rate)
        return err_set(err, ERR_UNSUPPORTED, "the %s device has nothing to measure",
                       d->table->kind);
    return d->table->rate(d, dtype, &c->flops, &c->how, err) && measure_copy(d, &c->bytes, err);
}

const struct device_limits *
device_limits(const struct device *d)
{
    return &d->limits;
}

static struct buffer *
make_buffer(struct device *d, void *memory, size_t size)
{
    if (!memory)
        return NULL;
    struct buffer *b = mem_zalloc(sizeof *b);
    *b = (struct buffer){.device = d, .size = size, .memory = memory};
    return b;
}

struct buffer *
buffer_create(struct device *d, size_t size, const char *what, struct err *err)
{
    return make_buffer(d, d->table->memory_create(d, size, what, err), size);
}

void
device_set_offload(struct device *d, bool on)
{
    d->offload = on;
}

bool
device_offload(const struct device *d)
{
    return d->offload;
}

bool
device_streams(const struct device *d)
{
    return d->table->weights_create || d->table->streamed;
}

bool
device_reads(const struct device *d)
{
    return d->table->streamed != NULL;
}

struct buffer *
buffer_create_weights(struct device *d, size_t size, const char *what, struct err *err)
{
    void *memory = d->table->weights_create ? d->table->weights_create(d, size, what, err)
                                            : d->table->memory_create(d, size, what, err);
    struct buffer *b = make_buffer(d, memory, size);
    if (b)
        b->streamed = d->offload && d->table->weights_create;
    return b;
}

struct buffer *
buffer_create_from(struct device *d, size_t size, const struct weights_source *source)
{
    require(device_reads(d));
    struct buffer *b = mem_zalloc(sizeof *b);
    *b = (struct buffer){.device = d, .size = size, .streamed = true, .source = source};
    return b;
}

size_t
device_room(struct device *d)
{
    return d->table->room ? d->table->room(d) : SIZE_MAX;
}

void
buffer_destroy(struct buffer *b)
{
    if (!b)
        return;
    b->device->table->memory_destroy(b->device, b->memory);
    free(b);
}

size_t
buffer_size(const struct buffer *b)
{
    return b->size;
}

bool
buffer_streamed(const struct buffer *b)
{
    return b->streamed;
}

static bool
inside(const struct buffer *b, size_t offset, size_t size, struct err *err)
{
    require(!b->source);
    if (offset <= b->size && size <= b->size - offset)
        return true;
    return err_set(err, ERR_INPUT, "bytes %zu..%zu lie outside a buffer of %zu", offset,
                   offset + size, b->size);
}

bool
buffer_write(struct buffer *b, size_t offset, const void *data, size_t size, struct err *err)
{
    return inside(b, offset, size, err) &&
           b->device->table->write(b, offset, data, size, err);
}

bool
buffer_read(struct buffer *b, size_t offset, void *data, size_t size, struct err *err)
{
    return inside(b, offset, size, err) && b->device->table->read(b, offset, data, size, err);
}

bool
buffer_copy(struct buffer *to, size_t to_offset, struct buffer *from, size_t from_offset,
            size_t size, struct err *err)
{
    return inside(to, to_offset, size, err) && inside(from, from_offset, size, err) &&
           to->device->table->copy(to, to_offset, from, from_offset, size, err);
}

bool
buffer_zero(struct buffer *b, struct err *err)
{
    require(!b->source);
    return b->device->table->zero(b, err);
}

size_t
plan_arena(struct graph *g, const struct device *d, struct err *err)
{
    struct plan p = {.graph = g};
    size_t size = plan_layout(&p, d->limits.alignment, err) ? p.arena_size : 0;
    plan_layout_free(&p);
    return size;
}

static bool
is_weights(const struct node *n)
{
    return n->op == OP_NONE && n->flags & NODE_BOUND && n->slot == SLOT_PARAMS;
}

size_t
plan_copies(const struct graph *g, const struct device *d)
{
    size_t sum = 0;
    bool *seen = mem_zalloc((size_t)graph_count(g) + 1);
    bool asks = d->table->copies && graph_error(g)->code == ERR_NONE; // else shapes are guesses
    for (int id = 0; asks && id < graph_count(g); id++) {
        const struct node *n = graph_node(g, id), *w = n->source_count > 1 ? n->source[1] : NULL;
        if (!w || !is_weights(w) || seen[w->id])
            continue;
        seen[w->id] = true;
        sum += d->table->copies(d, n);
    }
    free(seen);
    return sum;
}

// What a kernel is chosen by.
static bool
same_kernel(const struct node *a, const struct node *b)
{
    bool same = a->op == b->op && a->dtype == b->dtype && a->source_count == b->source_count &&
                shape_equal(&a->shape, &b->shape) &&
                memcmp(&a->params, &b->params, sizeof a->params) == 0;
    for (int k = 0; same && k < a->source_count; k++)
        same = a->source[k]->dtype == b->source[k]->dtype &&
               is_weights(a->source[k]) == is_weights(b->source[k]) &&
               shape_equal(&a->source[k]->shape, &b->source[k]->shape);
    return same;
}

size_t
plan_scratch(const struct graph *g, const struct device *d)
{
    const struct node **seen = mem_zalloc((size_t)(graph_count(g) + 1) * sizeof *seen);
    int count = 0;
    size_t most = 0;
    bool asks = d->table->scratch && graph_error(g)->code == ERR_NONE; // else shapes are guesses
    for (int id = 0; asks && id < graph_count(g); id++) {
        const struct node *n = graph_node(g, id);
        bool known = n->op == OP_NONE || op_rows[n->op].kind == KERNEL_VIEW;
        for (int i = count - 1; i >= 0 && !known; i--)
            known = same_kernel(seen[i], n);
        if (known)
            continue;
        seen[count++] = n;
        most = MAX(most, d->table->scratch(d, n));
    }
    free(seen);
    return most;
}

size_t
plan_streamed(struct graph *g, const struct device *d, const struct weights_source *source)
{
    struct plan p = {.graph = g};
    size_t size = 0;
    if (d->table->streamed && plan_layout(&p, d->limits.alignment, NULL))
        size = d->table->streamed(&p, source);
    plan_layout_free(&p);
    return size;
}

struct plan *
plan_create(struct graph *g, const struct plan_params *params, struct err *err)
{
    struct err own = {0};
    struct plan *p = mem_zalloc(sizeof *p);
    p->graph = g;
    p->params = *params;
    memcpy(p->slots, params->slots, sizeof p->slots);
    if (!plan_layout(p, params->device->limits.alignment, &own))
        goto failed;
    p->slots[SLOT_ARENA] = buffer_create(params->device, MAX(p->arena_size, 1), "plan", &own);
    if (!p->slots[SLOT_ARENA] || !params->device->table->prepare(p, &own))
        goto failed;
    return p;
failed:
    err_set(err, own.code, "%s", own.text);
    plan_destroy(p);
    return NULL;
}

void
plan_destroy(struct plan *p)
{
    if (!p)
        return;
    if (p->exec)
        p->params.device->table->release(p);
    buffer_destroy(p->slots[SLOT_ARENA]);
    plan_layout_free(p);
    free(p);
}

bool
plan_write(struct plan *p, const struct node *n, const void *data, struct err *err)
{
    const struct place *at = &p->places[n->id];
    return buffer_write(p->slots[at->slot], at->offset, data, node_bytes(n), err);
}

bool
plan_read(struct plan *p, const struct node *n, void *data, struct err *err)
{
    const struct place *at = &p->places[n->id];
    return buffer_read(p->slots[at->slot], at->offset, data, node_bytes(n), err);
}

bool
plan_write_f32(struct plan *p, const struct node *n, const float *data, struct err *err)
{
    if (n->dtype == DTYPE_F32)
        return plan_write(p, n, data, err);
    void *converted = mem_try_calloc(1, node_bytes(n), "input", err);
    if (!converted)
        return false;
    dtype_convert(n->dtype, converted, DTYPE_F32, data, shape_count(&n->shape));
    bool ok = plan_write(p, n, converted, err);
    free(converted);
    return ok;
}

bool
plan_read_f32(struct plan *p, const struct node *n, float *data, struct err *err)
{
    if (n->dtype == DTYPE_F32)
        return plan_read(p, n, data, err);
    void *stored = mem_try_calloc(1, node_bytes(n), "output", err);
    bool ok = stored && plan_read(p, n, stored, err);
    if (ok)
        dtype_convert(DTYPE_F32, data, n->dtype, stored, shape_count(&n->shape));
    free(stored);
    return ok;
}

bool
plan_copy(struct plan *to, const struct node *input, struct plan *from, const struct node *output,
          struct err *err)
{
    if (!shape_equal(&input->shape, &output->shape) || input->dtype != output->dtype)
        return err_set(err, ERR_INPUT, "plan_copy: the tensors differ in shape or type");
    const struct place *a = &to->places[input->id], *b = &from->places[output->id];
    return buffer_copy(to->slots[a->slot], a->offset, from->slots[b->slot], b->offset,
                       node_bytes(input), err);
}

bool
plan_copy_into(struct plan *to, const struct node *input, size_t at, struct plan *from,
               const struct node *output, struct err *err)
{
    size_t size = node_bytes(output);
    require(input->dtype == output->dtype && at <= node_bytes(input) &&
            size <= node_bytes(input) - at);
    const struct place *a = &to->places[input->id], *b = &from->places[output->id];
    return buffer_copy(to->slots[a->slot], a->offset + at, from->slots[b->slot], b->offset, size,
                       err);
}

bool
plan_save(struct plan *from, const struct node *output, struct buffer *to, struct err *err)
{
    require(buffer_size(to) == node_bytes(output));
    const struct place *b = &from->places[output->id];
    return buffer_copy(to, 0, from->slots[b->slot], b->offset, node_bytes(output), err);
}

bool
plan_restore(struct plan *to, const struct node *input, size_t at, struct buffer *from,
             struct err *err)
{
    size_t size = buffer_size(from);
    require(at <= node_bytes(input) && size <= node_bytes(input) - at);
    const struct place *a = &to->places[input->id];
    return buffer_copy(to->slots[a->slot], a->offset + at, from, 0, size, err);
}

void
plan_watch(struct plan *p, enum slot slot, plan_ready_fn *ready, void *ctx)
{
    p->watch = (struct plan_watch){slot, ready, ctx};
}

void
plan_notify(const struct plan *p, int step)
{
    const struct node *n = p->steps[step];
    const struct place *at = &p->places[n->id];
    if (p->watch.ready && at->slot == p->watch.slot)
        p->watch.ready(p->watch.ctx, at->offset, at->offset + node_bytes(n));
}

bool
plan_run(struct plan *p, struct err *err)
{
    const struct device_table *table = p->params.device->table;
    if (!table->run(p, err))
        return false;
    if (!p->watch.ready || table->notifies)
        return true;
    bool ok = device_wait(p->params.device, err);
    for (int i = 0; ok && i < p->step_count; i++)
        plan_notify(p, i);
    return ok;
}

void
plan_stats(const struct plan *p, struct plan_stats *stats)
{
    *stats = (struct plan_stats){.steps = p->step_count, .arena = p->arena_size,
                                 .lower_bound = p->lower_bound, .scratch = p->scratch,
                                 .packed = p->packed, .streamed = p->streamed};
    for (int i = 0; i < p->step_count; i++)
        stats->flops += op_flops(p->steps[i]);
}

void
plan_profile(struct plan *p, bool on)
{
    p->profiling = on;
    if (p->params.device->table->profile)
        p->params.device->table->profile(p, on);
}

int
plan_times(const struct plan *p, struct plan_time *times, int max)
{
    return p->params.device->table->times ? p->params.device->table->times(p, times, max) : 0;
}

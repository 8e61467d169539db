// SPDX-License-Identifier: MIT
// A plan's steps to one command buffer: each op's builder adds dispatches, barriers go where a
// dispatch touches bytes that one before it wrote (or writes bytes that one before it read) since
// the last barrier, and the whole is recorded once and submitted for every run.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

struct exec {
    struct vk_dispatch *list;
    int count;
    VkCommandBuffer commands, timed; // timed: the same with a time stamp around every dispatch
    VkDescriptorPool pool;
    VkDescriptorSet *sets;
    VkPipeline *pipelines;
    VkQueryPool queries;
    uint64_t last;   // value of the timeline when the last run is done
    double *seconds; // by step
    struct vk_memory *scratch, *constants, *ring;
    struct vk_memory *status; // one word: 0, or 1 + step that found bad data
    bool uses_status;
    struct vk_packing *packing; // weights that are to be packed when it runs
    int packing_count;
};

void
vk_bind_status(struct vk_builder *b, struct vk_dispatch *x, int slot)
{
    vk_bind_memory(b, x, slot, ((struct exec *)b->plan->exec)->status, 0, 4, DTYPE_I32);
    x->writes |= 1u << slot;
    b->uses_status = true;
}

// --- barriers

struct access {
    struct vk_range range;
    bool write;
};

static bool
overlap(const struct vk_range *a, const struct vk_range *b)
{
    return a->memory == b->memory && a->offset < b->offset + b->size &&
           b->offset < a->offset + a->size;
}

// Whether the dispatch must wait for one of the accesses since the last barrier.
static bool
conflicts(const struct access *list, int count, const struct vk_dispatch *x)
{
    for (int k = 0; k < VK_BINDINGS; k++) {
        if (!x->range[k].size)
            continue;
        bool write = x->writes >> k & 1;
        for (int i = 0; i < count; i++)
            if ((write || list[i].write) && overlap(&list[i].range, &x->range[k]))
                return true;
    }
    return false;
}

static void
record_one(struct vk_device *d, struct exec *e, VkCommandBuffer commands, int i)
{
    const struct vk_dispatch *x = &e->list[i];
    if (x->copy) {
        VkBufferCopy region = {x->range[1].offset, x->range[0].offset, x->range[0].size};
        d->vk.CmdCopyBuffer(commands, x->range[1].memory->buffer, x->range[0].memory->buffer, 1,
                            &region);
        return;
    }
    if (x->fill) {
        d->vk.CmdFillBuffer(commands, x->range[0].memory->buffer, x->range[0].offset,
                            x->range[0].size, 0);
        return;
    }
    d->vk.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, e->pipelines[i]);
    d->vk.CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->layout, 0, 1,
                                &e->sets[i], 0, NULL);
    d->vk.CmdPushConstants(commands, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof x->push,
                           x->push);
    d->vk.CmdDispatch(commands, x->groups[0], x->groups[1], x->groups[2]);
}

// All steps, or one of them (step >= 0).
static bool
record(struct vk_device *d, struct exec *e, bool timed, int step, VkCommandBuffer *out,
       struct err *err)
{
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = d->commands,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = 1};
    VkResult r = d->vk.AllocateCommandBuffers(d->device, &info, out);
    if (r != VK_SUCCESS) {
        *out = VK_NULL_HANDLE;
        return vk_failed(d, r, "cannot record a plan", err);
    }
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    r = d->vk.BeginCommandBuffer(*out, &begin);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot record a plan", err);
    struct access *seen = mem_alloc((size_t)MAX(e->count, 1) * VK_BINDINGS * sizeof *seen);
    int count = 0;
    vk_barrier(d, *out);
    if (timed) {
        d->vk.CmdResetQueryPool(*out, e->queries, 0, (uint32_t)e->count + 1);
        d->vk.CmdWriteTimestamp(*out, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, e->queries, 0);
    }
    for (int i = 0; i < e->count; i++) {
        const struct vk_dispatch *x = &e->list[i];
        if (step >= 0 && x->step != step)
            continue;
        if (timed || conflicts(seen, count, x)) {
            vk_barrier(d, *out);
            count = 0;
        }
        for (int k = 0; k < VK_BINDINGS; k++)
            if (x->range[k].size)
                seen[count++] = (struct access){x->range[k], x->writes >> k & 1};
        record_one(d, e, *out, i);
        if (timed)
            d->vk.CmdWriteTimestamp(*out, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, e->queries,
                                    (uint32_t)i + 1);
    }
    free(seen);
    vk_barrier_to_host(d, *out);
    r = d->vk.EndCommandBuffer(*out);
    return r == VK_SUCCESS || vk_failed(d, r, "cannot record a plan", err);
}

// --- plans

static bool
make_sets(struct vk_device *d, struct exec *e, struct err *err)
{
    if (e->count == 0)
        return true;
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                 (uint32_t)e->count * VK_BINDINGS};
    VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = (uint32_t)e->count,
                                       .poolSizeCount = 1,
                                       .pPoolSizes = &size};
    VkResult r = d->vk.CreateDescriptorPool(d->device, &pool, NULL, &e->pool);
    VkDescriptorSetLayout *layouts = mem_alloc((size_t)e->count * sizeof *layouts);
    for (int i = 0; i < e->count; i++)
        layouts[i] = d->set_layout;
    VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = e->pool,
                                        .descriptorSetCount = (uint32_t)e->count,
                                        .pSetLayouts = layouts};
    e->sets = mem_zalloc((size_t)e->count * sizeof *e->sets);
    if (r == VK_SUCCESS)
        r = d->vk.AllocateDescriptorSets(d->device, &info, e->sets);
    else
        e->pool = VK_NULL_HANDLE;
    free(layouts);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot bind the memory of a plan", err);
    for (int i = 0; i < e->count; i++) {
        VkDescriptorBufferInfo buffers[VK_BINDINGS];
        VkWriteDescriptorSet writes[VK_BINDINGS];
        uint32_t count = 0;
        for (uint32_t k = 0; k < VK_BINDINGS && !e->list[i].fill && !e->list[i].copy; k++) {
            const struct vk_range *range = &e->list[i].range[k];
            if (!range->size)
                continue;
            size_t bytes = MIN((range->size + 3) / 4 * 4, range->memory->size - range->offset);
            buffers[count] = (VkDescriptorBufferInfo){range->memory->buffer, range->offset, bytes};
            writes[count] = (VkWriteDescriptorSet){
                .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                .dstSet = e->sets[i],
                .dstBinding = k,
                .descriptorCount = 1,
                .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                .pBufferInfo = &buffers[count]};
            count++;
        }
        d->vk.UpdateDescriptorSets(d->device, count, writes, 0, NULL);
    }
    return true;
}

static bool
make_commands(struct vk_device *d, struct exec *e, struct err *err)
{
    e->pipelines = mem_zalloc((size_t)MAX(e->count, 1) * sizeof *e->pipelines);
    for (int i = 0; i < e->count; i++) {
        if (e->list[i].fill || e->list[i].copy)
            continue;
        e->pipelines[i] = vk_pipeline(d, &e->list[i].variant, err);
        if (!e->pipelines[i])
            return false;
    }
    return make_sets(d, e, err) && record(d, e, false, -1, &e->commands, err);
}

static void
free_commands(struct vk_device *d, struct exec *e)
{
    if (e->commands)
        d->vk.FreeCommandBuffers(d->device, d->commands, 1, &e->commands);
    if (e->timed)
        d->vk.FreeCommandBuffers(d->device, d->commands, 1, &e->timed);
    if (e->pool)
        d->vk.DestroyDescriptorPool(d->device, e->pool, NULL);
    free(e->sets);
    free(e->pipelines);
}

bool
vk_run_once(struct vk_device *d, struct vk_dispatch *list, int count, struct err *err)
{
    struct exec e = {.list = list, .count = count};
    bool ok = make_commands(d, &e, err) && vk_submit(d, e.commands, err) && vk_wait(d, err);
    vk_wait_idle(d);
    free_commands(d, &e);
    return ok;
}

bool
vk_one_set(struct vk_device *d, const struct vk_memory *m, VkDescriptorPool *pool,
           VkDescriptorSet *set, struct err *err)
{
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, VK_BINDINGS};
    VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = 1,
                                       .poolSizeCount = 1,
                                       .pPoolSizes = &size};
    VkResult r = d->vk.CreateDescriptorPool(d->device, &info, NULL, pool);
    if (r != VK_SUCCESS) {
        *pool = VK_NULL_HANDLE;
        return vk_failed(d, r, "cannot bind memory", err);
    }
    VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = *pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &d->set_layout};
    r = d->vk.AllocateDescriptorSets(d->device, &allocate, set);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot bind memory", err);
    VkDescriptorBufferInfo buffer = {m->buffer, 0, VK_WHOLE_SIZE};
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstSet = *set,
                                  .descriptorCount = 1,
                                  .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  .pBufferInfo = &buffer};
    d->vk.UpdateDescriptorSets(d->device, 1, &write, 0, NULL);
    return true;
}

static bool
supports(const struct vk_builder *b, const struct node *n, struct err *err)
{
    const struct vk_device *d = b->d;
    char text[SHAPE_TEXT_MAX];
    for (int k = -1; k < n->source_count; k++) {
        const struct node *t = k < 0 ? n : n->source[k];
        bool known = t->dtype == DTYPE_F32 || t->dtype == DTYPE_F16 || t->dtype == DTYPE_BF16 ||
                     t->dtype == DTYPE_I32 ||
                     (n->op == OP_matmul && k == 1 && dtype_is_packed(t->dtype));
        if (!known || !vk_build[n->op])
            return err_set(err, ERR_UNSUPPORTED, "the vulkan device cannot compute %s in %s",
                           op_rows[n->op].name, dtype_name(t->dtype));
        const struct place *at = &b->plan->places[t->id];
        size_t bytes = node_bytes(t), offset = at->offset;
        const struct buffer *slot = b->plan->slots[at->slot];
        const struct vk_memory *part = slot ? vk_part(slot->memory, &offset) : NULL;
        if (part && part->next && offset + bytes > part->size)
            return err_set(err, ERR_UNSUPPORTED,
                           "%s %s lies in two allocations: %s takes no more than %.0f MiB at once",
                           dtype_name(t->dtype), shape_text(&t->shape, text), d->offer.name,
                           (double)part->size / 0x1p20);
        if (bytes > d->offer.buffer_max ||
            (uint64_t)shape_count(&t->shape) > UINT32_MAX / 2)
            return err_set(err, ERR_UNSUPPORTED,
                           "%s of %s %s is larger than the %.0f MiB that %s can reach at once",
                           op_rows[n->op].name, dtype_name(t->dtype), shape_text(&t->shape, text),
                           (double)d->offer.buffer_max / 0x1p20, d->offer.name);
    }
    return true;
}

// Whether weights that the plan wants packed are also read, or written, as they were.
static bool
read_unpacked(const struct vk_builder *b)
{
    for (int i = 0; i < b->count; i++)
        for (int k = 0; k < VK_BINDINGS; k++) {
            const struct vk_dispatch *x = &b->list[i];
            const struct vk_range *r = &x->range[k];
            if (!r->size || (k == 2 && x->packed))
                continue;
            // A range starts where the device can bind: what is read of it may start later.
            enum dtype type = (enum dtype)x->variant.spec[VK_SPEC_TYPE + k];
            size_t skipped = x->push[k] * vk_unit_bytes(type);
            struct vk_range own = {r->memory, r->offset + skipped, r->size - skipped};
            for (int j = 0; j < b->packing_count; j++)
                if (overlap(&own, &(struct vk_range){b->packing[j].memory, b->packing[j].offset,
                                                     vk_packing_size(&b->packing[j])}))
                    return true;
        }
    return false;
}

static bool
build_steps(struct vk_builder *b, struct plan *p)
{
    const struct buffer *weights = p->slots[SLOT_PARAMS];
    b->constant = p->params.constant_params && weights && !b->d->serial && !b->d->shadow;
again:
    for (int i = 0; i < p->step_count; i++) {
        b->step = i;
        if (!supports(b, p->steps[i], b->err) || !vk_build[p->steps[i]->op](b, p->steps[i]))
            return false;
    }
    if (!b->packing_count || !read_unpacked(b))
        return true;
    b->constant = false;
    b->count = b->constant_count = b->packing_count = 0;
    b->scratch = 0;
    goto again;
}

// Builders only note where tensors are: here all are in the same place, which does not exist.
size_t
vk_step_scratch(const struct device *d, const struct node *n)
{
    struct vk_memory nowhere = {.size = SIZE_MAX};
    struct buffer all = {.size = SIZE_MAX, .memory = &nowhere};
    struct exec e = {.status = &nowhere};
    struct plan like = {.params.constant_params = true, .exec = &e};
    struct err err = {0};
    struct vk_builder b = {.d = d->state, .plan = &like, .err = &err};
    int last = n->id;
    for (int k = 0; k < n->source_count; k++)
        last = MAX(last, n->source[k]->id);
    like.places = mem_zalloc((size_t)(last + 1) * sizeof *like.places);
    for (int i = 0; i < SLOT_COUNT; i++)
        like.slots[i] = &all;
    b.constant = !b.d->serial && !b.d->shadow;
    if (supports(&b, n, &err))
        vk_build[n->op](&b, n);
    free(like.places);
    free(b.list);
    free(b.constants);
    free(b.packing);
    return b.scratch;
}

bool
vk_plan_prepare(struct plan *p, struct err *err)
{
    struct vk_device *d = vk_of(p->params.device);
    struct exec *e = p->exec = mem_zalloc(sizeof *e);
    struct vk_builder b = {.d = d, .plan = p, .err = err};
    e->status = vk_memory_create(d, 4, VK_USE_HOST, "a status word", err);
    if (!e->status)
        return false;
    memset(e->status->mapped, 0, 4);
    bool ok = build_steps(&b, p);
    e->list = b.list;
    e->count = b.count;
    e->uses_status = b.uses_status;
    e->packing = b.packing;
    e->packing_count = b.packing_count;
    e->seconds = mem_zalloc((size_t)MAX(p->step_count, 1) * sizeof *e->seconds);
    if (ok && b.constant_count) {
        size_t size = (size_t)b.constant_count * sizeof *b.constants;
        e->constants = vk_memory_create(d, size, VK_USE_DEVICE, "constants", err);
        ok = e->constants && vk_memory_write(d, e->constants, 0, b.constants, size, err);
    }
    free(b.constants);
    if (!ok)
        return false;
    p->scratch = b.scratch;
    struct buffer *weights = p->slots[SLOT_PARAMS];
    if (weights && weights->streamed) {
        size_t size = vk_offload_ring(e->list, e->count, weights->memory);
        if (size &&
            !(e->ring = vk_memory_create(d, size, VK_USE_DEVICE, "a ring for weights", err)))
            return false;
        if (size)
            vk_offload_apply(&e->list, &e->count, weights->memory, e->ring);
        p->scratch += size;
    }
    if (b.scratch) {
        e->scratch = vk_memory_create(d, b.scratch, VK_USE_DEVICE, "working memory", err);
        if (!e->scratch)
            return false;
    }
    for (int i = 0; i < e->count; i++)
        for (int k = 0; k < VK_BINDINGS; k++) {
            struct vk_range *r = &e->list[i].range[k];
            r->memory = r->memory == &vk_scratch_unresolved     ? e->scratch
                        : r->memory == &vk_constants_unresolved ? e->constants
                                                                 : r->memory;
        }
    return make_commands(d, e, err);
}

void
vk_plan_release(struct plan *p)
{
    struct vk_device *d = vk_of(p->params.device);
    struct exec *e = p->exec;
    vk_wait_idle(d);
    free_commands(d, e);
    if (e->queries)
        d->vk.DestroyQueryPool(d->device, e->queries, NULL);
    vk_memory_destroy(d, e->scratch);
    vk_memory_destroy(d, e->constants);
    vk_memory_destroy(d, e->ring);
    vk_memory_destroy(d, e->status);
    free(e->packing);
    free(e->seconds);
    free(e->list);
    free(e);
    p->exec = NULL;
}

static bool
collect_times(struct vk_device *d, struct exec *e, struct err *err)
{
    uint32_t count = (uint32_t)e->count + 1;
    uint64_t *at = mem_zalloc(count * sizeof *at);
    bool ok = vk_wait(d, err);
    if (ok && d->vk.GetQueryPoolResults(d->device, e->queries, 0, count, count * sizeof *at, at,
                                        sizeof *at, VK_QUERY_RESULT_64_BIT) == VK_SUCCESS)
        for (int i = 0; i < e->count; i++)
            e->seconds[e->list[i].step] += (double)(at[i + 1] - at[i]) * d->offer.tick * 1e-9;
    free(at);
    return ok;
}

static bool
run_one_step(struct plan *p, int step, struct err *err)
{
    struct vk_device *d = vk_of(p->params.device);
    struct exec *e = p->exec;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    bool ok = record(d, e, false, step, &commands, err) && vk_submit(d, commands, err) &&
              vk_wait(d, err);
    if (commands)
        d->vk.FreeCommandBuffers(d->device, d->commands, 1, &commands);
    return ok;
}

bool
vk_plan_run(struct plan *p, struct err *err)
{
    struct vk_device *d = vk_of(p->params.device);
    struct exec *e = p->exec;
    for (int i = 0; d->shadow && i < p->step_count; i++)
        if (!vk_shadow_step(p, i, run_one_step, err))
            return false;
    if (d->shadow)
        return true;
    struct buffer *weights = p->slots[SLOT_PARAMS];
    if (e->packing_count && !vk_pack(d, e->packing, e->packing_count, err))
        return false;
    for (struct vk_memory *m = weights ? weights->memory : NULL; m && !e->packing_count;
         m = m->next)
        if (!vk_unpack(d, m, err))
            return false;
    bool timed = p->profiling && e->timed;
    // Commands may not be under way twice. Other plans' may be, behind them.
    if (!vk_wait_for(d, e->last, err) || !vk_submit(d, timed ? e->timed : e->commands, err))
        return false;
    e->last = d->submitted;
    if (timed && !collect_times(d, e, err))
        return false;
    if (!e->uses_status)
        return true;
    if (!vk_wait(d, err))
        return false;
    uint32_t status;
    memcpy(&status, e->status->mapped, 4);
    if (!status)
        return true;
    memset(e->status->mapped, 0, 4);
    const struct node *n = p->steps[status - 1];
    int64_t rows = n->op == OP_gather ? n->source[0]->shape.dim[0] : n->shape.dim[0];
    return err_set(err, ERR_INPUT, "an id is outside the table of %" PRId64 " rows", rows);
}

void
vk_plan_profile(struct plan *p, bool on)
{
    struct vk_device *d = vk_of(p->params.device);
    struct exec *e = p->exec;
    struct err ignored = {0};
    memset(e->seconds, 0, (size_t)MAX(p->step_count, 1) * sizeof *e->seconds);
    if (!on || e->timed || !d->offer.timestamps || e->count + 1 > VK_QUERIES_MAX)
        return;
    VkQueryPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                  .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                  .queryCount = (uint32_t)e->count + 1};
    if (d->vk.CreateQueryPool(d->device, &info, NULL, &e->queries) != VK_SUCCESS)
        e->queries = VK_NULL_HANDLE;
    else if (!record(d, e, true, -1, &e->timed, &ignored) && e->timed) {
        d->vk.FreeCommandBuffers(d->device, d->commands, 1, &e->timed);
        e->timed = VK_NULL_HANDLE;
    }
}

int
vk_plan_times(const struct plan *p, struct plan_time *times, int max)
{
    const struct exec *e = p->exec;
    for (int i = 0; i < p->step_count && i < max; i++) {
        const struct node *n = p->steps[i];
        size_t bytes = node_bytes(n);
        for (int k = 0; k < n->source_count; k++)
            bytes += node_bytes(n->source[k]);
        times[i] = (struct plan_time){.node = n, .seconds = e->seconds[i],
                                      .flops = op_flops(n), .bytes = bytes, .fast = true};
    }
    return MIN(p->step_count, max);
}

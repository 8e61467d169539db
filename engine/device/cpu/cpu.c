// SPDX-License-Identifier: MIT
// The CPU device: for each node the best kernel that takes it, else the plain one.
#include "engine/device/cpu/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/device/cpu/dnnl.h"
#include "engine/device/cpu/room.h"
#include "engine/device/cpu/stream.h"
#include "engine/device/plan.h"
#include "engine/ops/rules.h"

// Each op's plain kernel with the CPU device's signature.
#define OP(n, ...)                                                                                 \
    static bool plain_##n(const struct cpu_step *s, struct err *err)                               \
    {                                                                                              \
        return op_plain_##n(                                                                       \
            &(struct op_args){.node = s->node, .dst = s->dst, .src = (const void *const *)s->src}, \
            err);                                                                                  \
    }
#include "engine/ops/ops.def"
#undef OP

cpu_plain_fn *const cpu_plain[OP_COUNT] = {
#define OP(n, ...) [OP_##n] = plain_##n,
#include "engine/ops/ops.def"
#undef OP
};

struct exec {
    struct cpu_step *steps;
    double *seconds; // by step, while profiling
    void *scratch;
    struct cpu_stream *stream; // loads weights that stay in their files; NULL: all are in memory
};

void
cpu_table_add(struct cpu_table *t, enum op op, const struct cpu_kernel *k)
{
    int i = 0;
    while (t->kernels[op][i])
        i++;
    require(i < CPU_KERNELS_PER_OP);
    t->kernels[op][i] = k;
}

void
cpu_table_first(struct cpu_table *t, enum op op, const struct cpu_kernel *k)
{
    require(!t->kernels[op][CPU_KERNELS_PER_OP - 1]);
    memmove(&t->kernels[op][1], &t->kernels[op][0], (CPU_KERNELS_PER_OP - 1) * sizeof k);
    t->kernels[op][0] = k;
}

static void
processor_name(char *name, size_t size)
{
    char line[256];
    snprintf(name, size, "processor");
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
}

static bool
cpu_open(struct device *d, struct err *err)
{
    (void)err;
    struct cpu_table *t = mem_zalloc(sizeof *t);
    cpu_add_dnnl(t);
    cpu_add_fast(t);
    d->state = t;
    char name[80];
    processor_name(name, sizeof name);
    d->limits.threads = cpu_threads();
#if defined(__x86_64__)
    d->limits.bf16 = __builtin_cpu_supports("avx512bf16") && t->kernels[OP_conv2d][0];
#endif
    snprintf(d->limits.name, sizeof d->limits.name, "cpu: %s, %d thread%s%s%s", name,
             d->limits.threads, d->limits.threads == 1 ? "" : "s",
             t->kernels[OP_conv2d][0] ? ", oneDNN" : "",
             d->limits.bf16 ? ", bf16" : "");
    struct sysinfo info;
    if (sysinfo(&info) == 0)
        d->limits.memory = (size_t)info.totalram * info.mem_unit;
    return true;
}

static void
cpu_close(struct device *d)
{
    free(d->state);
}

static bool
prepare_step(struct plan *p, const struct cpu_table *t, struct cpu_step *s)
{
    for (int k = 0; k < s->node->source_count; k++)
        s->constant[k] = p->params.constant_params && s->node->source[k]->op == OP_NONE &&
                         s->node->source[k]->flags & NODE_BOUND &&
                         s->node->source[k]->slot == SLOT_PARAMS;
    if (p->params.plain)
        return false;
    for (int i = 0; t->kernels[s->node->op][i]; i++) {
        s->scratch_size = 0;
        if (t->kernels[s->node->op][i]->prepare(s)) {
            s->kernel = t->kernels[s->node->op][i];
            return true;
        }
    }
    s->scratch_size = 0;
    return false;
}

static char *
address(const struct plan *p, const struct node *n)
{
    const struct exec *e = p->exec;
    const struct place *at = &p->places[n->id];
    if (at->slot != SLOT_PARAMS || !e->stream)
        return (char *)p->slots[at->slot]->memory + at->offset;
    const struct node *root = plan_root(n);
    return (char *)(uintptr_t)cpu_stream_at(e->stream, root) + (at->offset - root->offset);
}

static void
cpu_release(struct plan *p)
{
    struct exec *e = p->exec;
    for (int i = 0; e->steps && i < p->step_count; i++)
        if (e->steps[i].kernel && e->steps[i].kernel->release)
            e->steps[i].kernel->release(&e->steps[i]);
    mem_aligned_free(e->scratch);
    cpu_stream_destroy(e->stream);
    free(e->seconds);
    free(e->steps);
    free(e);
    p->exec = NULL;
}

// A kernel that cannot be prepared for lack of memory looks like one that does not support the
// node; the plain kernel would then take minutes instead of milliseconds.
static bool
is_short_of_memory(void)
{
    enum { ROOM = 64 << 20 };
    void *room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return true;
    munmap(room, ROOM);
    return false;
}

// Tells the stream if a step reads its weights only in the first run.
static void
note_packed_weights(const struct exec *e, const struct cpu_step *s)
{
    if (e->stream && s->constant[1] && s->kernel && s->kernel->keeps && s->kernel->keeps(s->node))
        cpu_stream_packed(e->stream, plan_root(s->node->source[1]));
}

static bool
prepare_stream(struct plan *p, struct err *err)
{
    struct exec *e = p->exec;
    const struct buffer *weights = p->slots[SLOT_PARAMS];
    if (!weights || !weights->source)
        return true;
    e->stream = cpu_stream_create(p, weights->source, err);
    p->streamed = e->stream ? cpu_stream_bytes(p, weights->source) : 0;
    return e->stream != NULL;
}

static bool
cpu_prepare(struct plan *p, struct err *err)
{
    struct exec *e = p->exec = mem_zalloc(sizeof *e);
    if (!prepare_stream(p, err))
        return false;
    e->steps = mem_zalloc((size_t)p->step_count * sizeof *e->steps);
    e->seconds = mem_zalloc((size_t)p->step_count * sizeof *e->seconds);
    for (int i = 0; i < p->step_count; i++) {
        struct cpu_step *s = &e->steps[i];
        s->node = p->steps[i];
        s->dst = address(p, s->node);
        for (int k = 0; k < s->node->source_count; k++)
            s->src[k] = address(p, s->node->source[k]);
        const struct cpu_table *t = p->params.device->state;
        if (!prepare_step(p, t, s) && !p->params.plain && t->kernels[s->node->op][0] &&
            is_short_of_memory())
            return err_set(err, ERR_MEMORY, "not enough memory for the device's kernels");
        note_packed_weights(e, s);
        p->scratch = MAX(p->scratch, s->scratch_size);
    }
    e->scratch = mem_try_aligned(MAX(p->scratch, 64), 64, "kernel memory", err);
    if (!e->scratch)
        return false;
    for (int i = 0; i < p->step_count; i++)
        e->steps[i].scratch = e->scratch;
    return true;
}

static bool
ids_in_range(const struct cpu_step *s, struct err *err)
{
    if (s->node->op != OP_gather && s->node->op != OP_gather_grad)
        return true;
    int at = s->node->op == OP_gather;
    int64_t rows = at ? s->node->source[0]->shape.dim[0] : s->node->shape.dim[0];
    const int32_t *ids = s->src[at];
    for (int64_t i = 0; i < shape_count(&s->node->source[at]->shape); i++)
        if (ids[i] < 0 || ids[i] >= rows)
            return err_set(err, ERR_INPUT, "id %d is outside the table of %lld rows", ids[i],
                           (long long)rows);
    return true;
}

static bool
run_step(const struct exec *e, int i, struct err *err)
{
    struct cpu_step *s = &e->steps[i];
    if ((s->kernel || e->stream) && !ids_in_range(s, err))
        return false;
    if (e->stream && !cpu_stream_begin(e->stream, i, err))
        return false;
    if (s->kernel)
        s->kernel->run(s);
    else if (!cpu_plain[s->node->op](s, err))
        return false;
    if (e->stream)
        cpu_stream_end(e->stream, i);
    return true;
}

static bool
run_steps(struct plan *p, struct err *err)
{
    struct exec *e = p->exec;
    for (int i = 0; i < p->step_count; i++) {
        double start = p->profiling ? clock_seconds() : 0;
        if (!run_step(e, i, err))
            return false;
        if (p->profiling)
            e->seconds[i] += clock_seconds() - start;
        plan_notify(p, i);
    }
    return true;
}

static bool
cpu_run(struct plan *p, struct err *err)
{
    struct exec *e = p->exec;
    if (e->stream)
        cpu_stream_start(e->stream);
    bool ok = run_steps(p, err);
    if (e->stream && !ok)
        cpu_stream_stop(e->stream);
    else if (e->stream)
        ok = cpu_stream_finish(e->stream, err);
    p->packed = 0;
    for (int i = 0; i < p->step_count; i++)
        p->packed += e->steps[i].packed;
    return ok;
}

static void
cpu_profile(struct plan *p, bool on)
{
    struct exec *e = p->exec;
    if (on)
        memset(e->seconds, 0, (size_t)p->step_count * sizeof *e->seconds);
}

static int
cpu_times(const struct plan *p, struct plan_time *times, int max)
{
    const struct exec *e = p->exec;
    for (int i = 0; i < p->step_count && i < max; i++) {
        const struct node *n = p->steps[i];
        size_t bytes = node_bytes(n);
        for (int k = 0; k < n->source_count; k++)
            bytes += node_bytes(n->source[k]);
        times[i] = (struct plan_time){.node = n, .seconds = e->seconds[i],
                                      .flops = op_flops(n), .bytes = bytes,
                                      .fast = e->steps[i].kernel != NULL};
    }
    return MIN(p->step_count, max);
}

const char cpu_dummy_data[64] __attribute__((aligned(64)));

// Prepares and releases a step, to learn how much memory it needs.
static struct cpu_step
dry_run(const struct device *d, const struct node *n)
{
    const struct cpu_table *t = d->state;
    struct cpu_step s = {.node = n, .dst = (void *)(uintptr_t)cpu_dummy_data};
    for (int k = 0; k < n->source_count; k++)
        s.src[k] = cpu_dummy_data;
    struct plan like = {.params.constant_params = true};
    if (!prepare_step(&like, t, &s))
        s.packed = s.scratch_size = 0;
    if (s.kernel && s.kernel->release)
        s.kernel->release(&s);
    return s;
}

static size_t
cpu_scratch(const struct device *d, const struct node *n)
{
    return dry_run(d, n).scratch_size;
}

// Bytes of packed weights, in the library's layout of whole tiles.
static size_t
cpu_copies(const struct device *d, const struct node *n)
{
    const struct cpu_table *t = d->state;
    bool may = false;
    for (int i = 0; i < CPU_KERNELS_PER_OP && t->kernels[n->op][i]; i++)
        may = may || (t->kernels[n->op][i]->keeps && t->kernels[n->op][i]->keeps(n));
    return may ? dry_run(d, n).packed : 0;
}

static void *
cpu_memory_create(struct device *d, size_t size, const char *what, struct err *err)
{
    (void)d;
    return mem_try_aligned(size, 64, what, err);
}

static size_t
cpu_room(struct device *d)
{
    (void)d;
    return cpu_room_of("");
}

static void
cpu_memory_destroy(struct device *d, void *memory)
{
    (void)d;
    mem_aligned_free(memory);
}

static bool
cpu_write(struct buffer *b, size_t offset, const void *data, size_t size, struct err *err)
{
    (void)err;
    memcpy((char *)b->memory + offset, data, size);
    return true;
}

static bool
cpu_read(struct buffer *b, size_t offset, void *data, size_t size, struct err *err)
{
    (void)err;
    memcpy(data, (const char *)b->memory + offset, size);
    return true;
}

static bool
cpu_copy(struct buffer *to, size_t to_offset, struct buffer *from, size_t from_offset, size_t size,
         struct err *err)
{
    (void)err;
    memmove((char *)to->memory + to_offset, (const char *)from->memory + from_offset, size);
    return true;
}

static bool
cpu_zero(struct buffer *b, struct err *err)
{
    (void)err;
    memset(b->memory, 0, b->size);
    return true;
}

static bool
cpu_rate(struct device *d, enum dtype dtype, double *flops, const char **how, struct err *err)
{
    (void)d;
    *how = "oneDNN's largest matrix product";
    *flops = cpu_matmul_rate(dtype, err);
    return *flops > 0;
}

const struct device_table device_cpu = {
    .rate = cpu_rate,
    .kind = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .memory_create = cpu_memory_create,
    .room = cpu_room,
    .memory_destroy = cpu_memory_destroy,
    .write = cpu_write,
    .read = cpu_read,
    .copy = cpu_copy,
    .zero = cpu_zero,
    .copies = cpu_copies,
    .scratch = cpu_scratch,
    .streamed = cpu_stream_bytes,
    .prepare = cpu_prepare,
    .release = cpu_release,
    .run = cpu_run,
    .notifies = true,
    .times = cpu_times,
    .profile = cpu_profile,
};

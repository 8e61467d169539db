// SPDX-License-Identifier: MIT
// The Vulkan device as the rest of the engine sees it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

// Matrix units are used when a product on them comes out right: drivers are young here, and a wrong
// answer would be a wrong picture without a word.
// `lines`: the products' inner places lie side by side in memory; otherwise its lines do. False:
// the product could not be computed at all.
static bool
units_multiply(struct device *d, enum dtype type, bool lines, bool *right, struct err *err)
{
    enum { M = 160, K = 72, N = 136 };
    struct graph *g = graph_create();
    struct node *a = graph_input(g, "a", lines ? SHAPE(M, K) : SHAPE(K, M), type);
    struct node *b = graph_input(g, "b", lines ? SHAPE(N, K) : SHAPE(K, N), type);
    struct node *y = op_matmul(g, a, !lines, b, lines, NULL, DTYPE_F32);
    graph_output(g, y);
    struct plan *p = plan_create(g, &(struct plan_params){.device = d}, err);
    float *x = mem_zalloc((M * K + N * K + M * N) * sizeof *x), *w = x + M * K, *got = w + N * K;
    for (int i = 0; i < M * K; i++)
        x[i] = (float)(i % 7 - 3);
    for (int i = 0; i < N * K; i++)
        w[i] = (float)(i % 5 - 2);
    bool ok = p && plan_write_f32(p, a, x, err) && plan_write_f32(p, b, w, err) &&
              plan_run(p, err) && plan_read(p, y, got, err);
    *right = ok;
    for (int i = 0; *right && i < M; i++)
        for (int j = 0; *right && j < N; j++) {
            float sum = 0; // of small whole numbers: exact
            for (int k = 0; k < K; k++)
                sum += lines ? x[i * K + k] * w[j * K + k] : x[k * M + i] * w[k * N + j];
            *right = got[i * N + j] == sum;
        }
    free(x);
    plan_destroy(p);
    graph_destroy(g);
    return ok;
}

static bool
check_units(struct device *d, enum dtype type, enum vk_matrix *units, struct err *err)
{
    struct vk_device *v = vk_of(d);
    bool lines, places;
    if (*units == VK_MATRIX_NONE || v->serial)
        return true;
    if (!units_multiply(d, type, true, &lines, err) ||
        !units_multiply(d, type, false, &places, err))
        return false;
    if (lines && places)
        return true;
    log_line(LOG_WARN, "vulkan",
             "the matrix units of %s give wrong results in %s; they are not used", v->offer.name,
             dtype_name(type));
    *units = VK_MATRIX_NONE;
    return true;
}

static bool
discard(struct vk_device *v)
{
    vk_context_close(v);
    free(v);
    return false;
}

static bool
device_open_vulkan(struct device *d, struct err *err)
{
    struct vk_device *v = d->state = mem_zalloc(sizeof *v);
    if (!vk_context_open(v, d->number, err))
        return discard(v);
    const struct vk_offer *o = &v->offer;
    snprintf(d->limits.name, sizeof d->limits.name, "vulkan: %.80s, %s", o->name,
             o->type == VK_PHYSICAL_DEVICE_TYPE_CPU ? "a software driver" : "16-bit storage");
    d->limits.emulated = o->type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    d->limits.memory = o->memory;
    d->limits.alignment = MAX(64, o->offset_alignment);
    if (!check_units(d, DTYPE_F16, &v->matrix_f16, err) ||
        !check_units(d, DTYPE_BF16, &v->matrix_bf16, err))
        return discard(v);
    // Both halves save memory, and bf16 is the safer, but not where only f16 has matrix units.
    d->limits.f16 = !v->serial;
    d->limits.bf16 =
        !v->serial && (v->matrix_bf16 != VK_MATRIX_NONE || v->matrix_f16 == VK_MATRIX_NONE);
    return true;
}

// Loading a driver takes a tenth of a second and 40 MiB, also where it is a software one: Linux
// has a node for every real one.
static bool
probe(void)
{
#ifdef __linux__
    static const char *const nodes[] = {"/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/kgsl-3d0",
                                        "/dev/mali0"};
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        if (access(nodes[i], F_OK) == 0)
            return true;
    return false;
#else
    return true;
#endif
}

static int
device_list_vulkan(struct device_info *list, int max)
{
    enum { OFFERS_MAX = 16 };
    struct err err = {0};
    struct vk_offer *offers = mem_zalloc(OFFERS_MAX * sizeof *offers);
    int count = vk_list_offers(offers, MIN(max, OFFERS_MAX), &err);
    for (int i = 0; i < count; i++) {
        const struct vk_offer *o = &offers[i];
        list[i] = (struct device_info){.memory = o->memory, .available = o->available,
                                       .f32 = true, .f16 = o->storage16, .bf16 = o->storage16,
                                       .matrix = o->f16_unit.m || o->bf16_unit.m,
                                       .emulated = o->type == VK_PHYSICAL_DEVICE_TYPE_CPU};
        snprintf(list[i].name, sizeof list[i].name, "vulkan:%d", i);
        snprintf(list[i].text, sizeof list[i].text, "%.150s, Vulkan %u.%u%s", o->name,
                 VK_API_VERSION_MAJOR(o->api), VK_API_VERSION_MINOR(o->api),
                 o->type == VK_PHYSICAL_DEVICE_TYPE_CPU ? ", a software driver" : "");
        snprintf(list[i].reason, sizeof list[i].reason, "%s", o->refusal);
    }
    if (count <= 0 && max > 0) {
        list[0] = (struct device_info){.name = "vulkan"};
        snprintf(list[0].reason, sizeof list[0].reason, "%.290s",
                 count < 0 ? err.text : "no Vulkan driver found a device");
        count = 1;
    }
    free(offers);
    return count;
}

static void
device_close_vulkan(struct device *d)
{
    vk_context_close(d->state);
    free(d->state);
}

static size_t
room(struct device *d)
{
    return d->offload ? device_cpu.room(d) : vk_room(vk_of(d));
}

static void *
weights_create(struct device *d, size_t size, const char *what, struct err *err)
{
    (void)what;
    return vk_weights_create(vk_of(d), size, d->offload ? VK_USE_HOST : VK_USE_DEVICE, err);
}

static void *
memory_create(struct device *d, size_t size, const char *what, struct err *err)
{
    struct vk_memory *m = vk_memory_create(vk_of(d), size, VK_USE_DEVICE, what, err);
    if (m && !vk_memory_zero(vk_of(d), m, err)) {
        vk_memory_destroy(vk_of(d), m);
        return NULL;
    }
    return m;
}

static void
memory_destroy(struct device *d, void *memory)
{
    vk_memory_destroy(vk_of(d), memory);
}

// Bytes from `offset` in the part on that are wanted and lie in it.
static size_t
piece_of(const struct vk_memory *part, size_t offset, size_t size)
{
    return part->next ? MIN(size, part->size - offset) : size;
}

static bool
memory_write(struct buffer *b, size_t offset, const void *data, size_t size, struct err *err)
{
    for (size_t piece; size; offset += piece, data = (const char *)data + piece, size -= piece) {
        size_t at = offset;
        struct vk_memory *m = vk_part(b->memory, &at);
        piece = piece_of(m, at, size);
        if (!vk_memory_write(vk_of(b->device), m, at, data, piece, err))
            return false;
    }
    return true;
}

static bool
memory_read(struct buffer *b, size_t offset, void *data, size_t size, struct err *err)
{
    for (size_t piece; size; offset += piece, data = (char *)data + piece, size -= piece) {
        size_t at = offset;
        struct vk_memory *m = vk_part(b->memory, &at);
        piece = piece_of(m, at, size);
        if (!vk_memory_read(vk_of(b->device), m, at, data, piece, err))
            return false;
    }
    return true;
}

static bool
memory_copy(struct buffer *to, size_t to_offset, struct buffer *from, size_t from_offset,
            size_t size, struct err *err)
{
    for (size_t piece; size; to_offset += piece, from_offset += piece, size -= piece) {
        size_t to_at = to_offset, from_at = from_offset;
        struct vk_memory *t = vk_part(to->memory, &to_at), *f = vk_part(from->memory, &from_at);
        piece = piece_of(t, to_at, piece_of(f, from_at, size));
        if (!vk_memory_copy(vk_of(to->device), t, to_at, f, from_at, piece, err))
            return false;
    }
    return true;
}

static bool
memory_zero(struct buffer *b, struct err *err)
{
    for (struct vk_memory *m = b->memory; m; m = m->next)
        if (!vk_memory_zero(vk_of(b->device), m, err))
            return false;
    return true;
}

static bool
wait_for_all(struct device *d, struct err *err)
{
    return vk_wait(vk_of(d), err);
}

static bool
rate(struct device *d, enum dtype dtype, double *flops, const char **how, struct err *err)
{
    return vk_rate(vk_of(d), dtype, flops, how, err);
}

const struct device_table device_vulkan = {
    .kind = "vulkan",
    .list = device_list_vulkan,
    .probe = probe,
    .open = device_open_vulkan,
    .close = device_close_vulkan,
    .memory_create = memory_create,
    .weights_create = weights_create,
    .room = room,
    .memory_destroy = memory_destroy,
    .write = memory_write,
    .read = memory_read,
    .copy = memory_copy,
    .zero = memory_zero,
    .wait = wait_for_all,
    .rate = rate,
    .scratch = vk_step_scratch,
    .prepare = vk_plan_prepare,
    .release = vk_plan_release,
    .run = vk_plan_run,
    .times = vk_plan_times,
    .profile = vk_plan_profile,
};

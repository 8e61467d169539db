// SPDX-License-Identifier: MIT
#include "engine/nn/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/base/rng.h"

enum { ALIGNMENT = 64 };

struct params {
    enum dtype storage;
    struct param *list;
    int count, capacity;
    int *slots; // hash table: position + 1 in list, 0: empty
    int slot_count;
    bool fixed;
    size_t size;
    const char *adapted; // names that start so have adapters; NULL: none
    int rank;
};

static uint64_t
hash_name(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u; // FNV-1a
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

struct params *
params_create(enum dtype storage)
{
    struct params *p = mem_zalloc(sizeof *p);
    p->storage = storage;
    return p;
}

void
params_destroy(struct params *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->count; i++)
        free(p->list[i].name);
    free(p->list);
    free(p->slots);
    free(p);
}

static int *
find_slot(const struct params *p, const char *name)
{
    uint64_t at = hash_name(name);
    for (;; at++) {
        int *slot = &p->slots[at & (uint64_t)(p->slot_count - 1)];
        if (!*slot || strcmp(p->list[*slot - 1].name, name) == 0)
            return slot;
    }
}

static void
grow_slots(struct params *p)
{
    free(p->slots);
    p->slot_count = p->slot_count ? 2 * p->slot_count : 1024;
    p->slots = mem_zalloc((size_t)p->slot_count * sizeof *p->slots);
    for (int i = 0; i < p->count; i++)
        *find_slot(p, p->list[i].name) = i + 1;
}

static int64_t
columns_of(const struct param *q)
{
    return shape_count(&q->shape) / q->shape.dim[0];
}

static bool
wants_adapter(const struct params *p, const struct param *q)
{
    return p->adapted && q->kind == PARAM_MATRIX && !q->is_adapter &&
           strncmp(q->name, p->adapted, strlen(p->adapted)) == 0 && q->shape.dim[0] > p->rank &&
           columns_of(q) > p->rank;
}

static int
declare_half(struct params *p, const char *stem, const char *ending, struct shape shape,
             struct param_init init)
{
    char *name = mem_printf("%s%s", stem, ending);
    const char *adapted = p->adapted;
    p->adapted = NULL;
    int i = params_declare(p, name, shape, PARAM_MATRIX, init);
    p->adapted = adapted;
    p->list[i].is_adapter = true;
    free(name);
    return i;
}

// A as PyTorch starts a layer: a normal law of variance 1/(3 in).
static void
declare_adapter(struct params *p, int i)
{
    const struct param q = p->list[i];
    int64_t columns = columns_of(&q);
    char *stem = mem_strndup(q.name, strlen(q.name) - strlen(".weight"));
    struct param_init start = {INIT_NORMAL, .scale = 1 / sqrt(3.0 * (double)columns)};
    int a = declare_half(p, stem, ".lora_A.weight", SHAPE(p->rank, columns), start);
    declare_half(p, stem, ".lora_B.weight", SHAPE(q.shape.dim[0], p->rank),
                 (struct param_init){0});
    p->list[i].adapter = a;
    free(stem);
}

int
params_declare(struct params *p, const char *name, struct shape shape, enum param_kind kind,
               struct param_init init)
{
    if (2 * p->count >= p->slot_count)
        grow_slots(p);
    int *slot = find_slot(p, name);
    if (*slot) {
        require(shape_equal(&p->list[*slot - 1].shape, &shape));
        return *slot - 1;
    }
    require(!p->fixed);
    struct param q = {.name = mem_strdup(name), .shape = shape, .kind = kind, .init = init};
    q.dtype = kind == PARAM_MATRIX || kind == PARAM_KEPT ? p->storage : DTYPE_F32;
    q.size = dtype_bytes(q.dtype, shape_count(&shape));
    *slot = p->count + 1;
    ARRAY_PUSH(p->list, p->count, p->capacity, q);
    int i = p->count - 1;
    if (wants_adapter(p, &q))
        declare_adapter(p, i);
    return i;
}

void
params_adapt(struct params *p, const char *prefix, int rank)
{
    p->adapted = prefix;
    p->rank = rank;
}

bool
params_pack(struct params *p, int i, enum dtype blocks)
{
    require(!p->fixed && dtype_is_packed(blocks) && i >= 0 && i < p->count);
    struct param *q = &p->list[i];
    if (q->kind != PARAM_MATRIX || q->shape.rank != 2 || q->shape.dim[1] % dtype_block(blocks) ||
        q->adapter || q->is_adapter)
        return false;
    q->dtype = blocks;
    q->size = dtype_bytes(blocks, shape_count(&q->shape));
    return true;
}

void
params_layout(struct params *p)
{
    p->size = 0;
    for (int i = 0; i < p->count; i++) {
        size_t left = BUFFER_SEGMENT - p->size % BUFFER_SEGMENT, size = p->list[i].size;
        if (size > left && size <= BUFFER_SEGMENT)
            p->size += left;
        p->list[i].offset = p->size;
        p->size += (p->list[i].size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    p->fixed = true;
}

int
params_entries(const struct params *p)
{
    return p->count;
}

bool
params_has_part(const struct params *p, const char *prefix)
{
    for (int i = 0; i < p->count; i++)
        if (strncmp(p->list[i].name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

const struct param *
params_at(const struct params *p, int i)
{
    require(i >= 0 && i < p->count);
    return &p->list[i];
}

const struct param *
params_find(const struct params *p, const char *name)
{
    if (!p->count)
        return NULL;
    int at = *find_slot(p, name);
    return at ? &p->list[at - 1] : NULL;
}

size_t
params_bytes(const struct params *p)
{
    return p->size;
}

size_t
params_count(const struct params *p)
{
    size_t n = 0;
    for (int i = 0; i < p->count; i++)
        n += (size_t)shape_count(&p->list[i].shape);
    return n;
}

static void
fill_place(const struct shape *s, const struct param_init *init, float *out)
{
    int64_t places = s->dim[0], width = s->dim[1], head = width / init->heads;
    int64_t half = head / 2, waves = MAX(half / 2, 1);
    for (int64_t p = 0; p < places; p++)
        for (int64_t c = 0; c < width; c++) {
            int64_t h = c / head, i = c % head - init->axis * half;
            bool ours = h < (init->heads + 1) / 2 && i >= 0 && i < 2 * waves && i < half;
            double rise = (double)(i % waves) / (double)MAX(waves - 1, 1);
            double f = M_PI / (double)places * pow((double)places / 2, rise);
            double wave = i < waves ? sin((double)p * f) : cos((double)p * f);
            out[p * width + c] = ours ? (float)(init->scale * wave) : 0.0f;
        }
}

static void
fill_start(const struct param *q, uint64_t seed, float *out)
{
    size_t n = (size_t)shape_count(&q->shape);
    switch (q->init.rule) {
    case INIT_NONE:
        memset(out, 0, n * sizeof *out);
        return;
    case INIT_ONES:
        for (size_t i = 0; i < n; i++)
            out[i] = 1;
        return;
    case INIT_NORMAL:
        rng_fill_normal(seed ^ hash_name(q->name), RNG_STREAM_INIT, 0, out, n);
        for (size_t i = 0; i < n; i++)
            out[i] *= (float)q->init.scale;
        return;
    case INIT_PLACE:
        fill_place(&q->shape, &q->init, out);
        return;
    case INIT_RULE_COUNT:
        break;
    }
    unreachable_here();
}

bool
params_initialise(const struct params *p, uint64_t seed, struct buffer *block, struct err *err)
{
    for (int i = 0; i < p->count; i++) {
        const struct param *q = &p->list[i];
        size_t n = (size_t)shape_count(&q->shape);
        float *value = mem_try_calloc(n, sizeof *value, q->name, err);
        void *stored = value ? mem_try_calloc(1, q->size, q->name, err) : NULL;
        bool ok = stored;
        if (ok) {
            fill_start(q, seed, value);
            dtype_convert(q->dtype, stored, DTYPE_F32, value, (int64_t)n);
            ok = buffer_write(block, q->offset, stored, q->size, err);
        }
        free(value);
        free(stored);
        if (!ok)
            return false;
    }
    return true;
}

// SPDX-License-Identifier: MIT
// The null device: checks, plans and lays out any graph, computes nothing. Its memory is host
// memory, so that writes and reads can be tested; a run leaves it as it is.
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/plan.h"

static bool
null_open(struct device *d, struct err *err)
{
    (void)err;
    strcpy(d->limits.name, "null: plans, computes nothing");
    d->limits.f16 = d->limits.bf16 = true;
    return true;
}

static void
null_close(struct device *d)
{
    (void)d;
}

static void *
null_memory_create(struct device *d, size_t size, const char *what, struct err *err)
{
    (void)d;
    return mem_try_aligned(size, 64, what, err);
}

static void
null_memory_destroy(struct device *d, void *memory)
{
    (void)d;
    mem_aligned_free(memory);
}

static bool
null_write(struct buffer *b, size_t offset, const void *data, size_t size, struct err *err)
{
    (void)err;
    memcpy((char *)b->memory + offset, data, size);
    return true;
}

static bool
null_read(struct buffer *b, size_t offset, void *data, size_t size, struct err *err)
{
    (void)err;
    memcpy(data, (const char *)b->memory + offset, size);
    return true;
}

static bool
null_copy(struct buffer *to, size_t to_offset, struct buffer *from, size_t from_offset, size_t size,
          struct err *err)
{
    (void)err;
    memmove((char *)to->memory + to_offset, (const char *)from->memory + from_offset, size);
    return true;
}

static bool
null_prepare(struct plan *p, struct err *err)
{
    (void)p, (void)err;
    return true;
}

static void
null_release(struct plan *p)
{
    (void)p;
}

static bool
null_run(struct plan *p, struct err *err)
{
    (void)p, (void)err;
    return true;
}

static bool
null_zero(struct buffer *b, struct err *err)
{
    (void)err;
    memset(b->memory, 0, b->size);
    return true;
}

const struct device_table device_null = {
    .kind = "null",
    .open = null_open,
    .close = null_close,
    .memory_create = null_memory_create,
    .memory_destroy = null_memory_destroy,
    .write = null_write,
    .read = null_read,
    .copy = null_copy,
    .zero = null_zero,
    .prepare = null_prepare,
    .release = null_release,
    .run = null_run,
};

// SPDX-License-Identifier: MIT
// A plan as devices see it, and the table each device fills. Private to engine/device.
#ifndef LIMN_ENGINE_DEVICE_PLAN_H
#define LIMN_ENGINE_DEVICE_PLAN_H

#include "engine/device/device.h"
#include "engine/ops/op.h"

// Where a node's bytes are.
struct place {
    enum slot slot;
    size_t offset; // bytes
};

struct plan {
    struct graph *graph;
    struct plan_params params;
    struct buffer *slots[SLOT_COUNT]; // params.slots and the plan's own arena
    struct place *places;             // by node id; views and in-place results resolved
    bool *live;                       // by node id: runs, or is read by a node that runs
    struct node **steps;              // what runs, in order
    int step_count;
    size_t arena_size, lower_bound;
    void *exec; // the device's own, made by prepare()
    size_t scratch, packed, streamed;
    bool profiling;
    struct plan_watch {
        enum slot slot;
        plan_ready_fn *ready; // NULL: nobody watches
        void *ctx;
    } watch;
};

// Reports a finished step to the watcher.
void plan_notify(const struct plan *p, int step);

// Lays the graph out: fills places, live, steps, arena_size, lower_bound. `alignment` in bytes. A
// plan without a device is only measured: it needs no buffers.
bool plan_layout(struct plan *p, size_t alignment, struct err *err);
void plan_layout_free(struct plan *p);

// The node that owns n's memory: through views and in-place steps.
const struct node *plan_root(const struct node *n);

struct device {
    const struct device_table *table;
    const char *number; // what followed "KIND:" in the name, or NULL; valid during open()
    struct device_limits limits;
    bool offload; // device_set_offload()
    void *state; // the device's own
};

struct buffer {
    struct device *device;
    size_t size;
    void *memory; // the device's own: on the CPU the address
    bool streamed; // weights outside the device's memory
    const struct weights_source *source; // of streamed weights; NULL: they are in `memory`
};

// A device. Offsets and sizes have been checked by device.c.
struct device_table {
    const char *kind;
    int (*list)(struct device_info *list, int max); // NULL: one, as open() says
    bool (*probe)(void); // quick test whether `auto` should try to open it. NULL: yes
    bool (*open)(struct device *d, struct err *err);
    void (*close)(struct device *d);
    void *(*memory_create)(struct device *d, size_t size, const char *what, struct err *err);
    // Memory for weights, in host memory under offload; contents undefined. NULL: memory_create.
    void *(*weights_create)(struct device *d, size_t size, const char *what, struct err *err);
    size_t (*room)(struct device *d); // as device_room(); NULL: nobody knows
    void (*memory_destroy)(struct device *d, void *memory);
    bool (*write)(struct buffer *b, size_t offset, const void *data, size_t size, struct err *err);
    bool (*read)(struct buffer *b, size_t offset, void *data, size_t size, struct err *err);
    bool (*copy)(struct buffer *to, size_t to_offset, struct buffer *from, size_t from_offset,
                 size_t size, struct err *err);
    bool (*zero)(struct buffer *b, struct err *err);
    bool (*wait)(struct device *d, struct err *err); // NULL: nothing is ever under way
    // FLOP per second of products (a multiply-add counts as 2), and what was measured. NULL: cannot
    // tell.
    bool (*rate)(struct device *d, enum dtype dtype, double *flops, const char **how,
                 struct err *err);
    // Bytes of the copy of its constant weights that a node keeps; NULL: none keeps any.
    size_t (*copies)(const struct device *d, const struct node *n);
    // Bytes of working memory that a node's kernel takes; nothing is made for it. NULL: unknown.
    size_t (*scratch)(const struct device *d, const struct node *n);
    // As plan_streamed(), of a plan that is laid out; NULL: buffers have no source.
    size_t (*streamed)(const struct plan *p, const struct weights_source *source);
    bool (*prepare)(struct plan *p, struct err *err);
    void (*release)(struct plan *p); // exec may be NULL
    bool (*run)(struct plan *p, struct err *err);
    bool notifies; // run() calls plan_notify() itself, step by step
    int (*times)(const struct plan *p, struct plan_time *times, int max); // NULL: cannot tell
    void (*profile)(struct plan *p, bool on);                              // NULL: cannot tell
};

extern const struct device_table device_cpu, device_null, device_vulkan;

#endif

// SPDX-License-Identifier: MIT
// Devices and plans.
//
// A device is a const table of functions. A plan is a graph compiled for one device: which nodes
// run, in which order, where each tensor lives (one arena, shared by tensors whose lifetimes do not
// overlap), and whatever the device prepared (primitives, command buffers). It is made once and run
// many times. Device memory is accessed only through these calls, never by pointer.
#ifndef LIMN_ENGINE_DEVICE_DEVICE_H
#define LIMN_ENGINE_DEVICE_DEVICE_H

#include "engine/ops/graph.h"

struct device;
struct buffer;
struct plan;

struct device_limits {
    char name[128];      // "cpu: AMD EPYC, 2 threads, oneDNN 2.6, avx512_bf16"
    int threads;         // 0: not a CPU
    bool f16, bf16;      // fast, in hardware
    bool emulated;       // a software driver such as lavapipe: `auto` does not take it
    size_t memory;       // bytes, 0: unknown
    size_t alignment;    // of tensors in buffers, bytes
};

// The device's peak rates (its roofline), measured when asked for, which takes about a second.
struct device_ceilings {
    double flops;    // of products, per second; a multiply-add counts as 2
    double bytes;    // per second, read plus written, copying a large tensor
    const char *how; // what was measured: "oneDNN matmul 2048", "multiply-adds in registers"
};

// "vulkan" (the best GPU), "vulkan:N" (the Nth), "cpu", "null"; "auto" takes a real GPU, else the
// CPU. ERR_INPUT for any other name.
struct device *device_open(const char *name, struct err *err);
// A device that could be opened, usable or not.
struct device_info {
    char name[24];    // for device_open(): "vulkan:0"
    char text[200];   // what it is
    char reason[300]; // why it cannot be used; "" when it can
    size_t memory, available; // bytes, 0: unknown
    bool f32, f16, bf16, matrix; // types of products; whether it has matrix units
    bool emulated;               // a software driver: `auto` does not take it
};
int device_list(struct device_info *list, int max); // best first; returns the count

void device_close(struct device *d); // NULL is fine; destroy its buffers and plans first
const struct device_limits *device_limits(const struct device *d);

// Waits until all submitted work is done; plan_run() may return earlier, so timings must end with
// this call.
bool device_wait(struct device *d, struct err *err);
bool device_measure(struct device *d, enum dtype dtype, struct device_ceilings *ceilings,
                    struct err *err);

// Zeroed memory. Sizes and offsets are in bytes; reads and writes wait for running work.
struct buffer *buffer_create(struct device *d, size_t size, const char *what, struct err *err);
void buffer_destroy(struct buffer *b);
// Offload keeps buffers of weights (SLOT_PARAMS) outside the device's memory; plans stream in the
// weights of the next step while the current one computes. Slower; for models larger than the
// device. A device with its own memory keeps the weights in host memory; one that uses host memory
// reads them from their files (device_reads(), buffer_create_from()). Applies to buffers of weights
// created from then on.
void device_set_offload(struct device *d, bool on);
bool device_offload(const struct device *d);
bool device_streams(const struct device *d); // whether offload has an effect there
bool device_reads(const struct device *d);   // whether it offloads by buffer_create_from()
// Many drivers allocate no more than 2 or 4 GiB at once: a larger buffer of weights is split at
// multiples of this many bytes. A plan cannot read a tensor that crosses such a boundary.
enum { BUFFER_SEGMENT = 1 << 30 };
struct buffer *buffer_create_weights(struct device *d, size_t size, const char *what,
                                     struct err *err);
// A source of weights that stay in their files. Offsets and sizes are in bytes of the buffer. A
// plan bound to it calls find() while it is created, load() from a thread of its own, one call at
// a time, and check() after each run.
struct weights_source {
    void *ctx;
    // The address of these bytes, if they exist in exactly this form in memory that the system can
    // drop and reread (a mapped file) and that lives as long as the source; aligned to the element.
    // NULL: load() must convert them.
    const void *(*find)(void *ctx, size_t offset, size_t size);
    // Writes them to `to`: whole parameters, or whole rows of a table.
    bool (*load)(void *ctx, size_t offset, size_t size, void *to, struct err *err);
    // Whether the files are still what they were when the source was made.
    bool (*check)(void *ctx, struct err *err);
};
// A buffer of weights without memory of its own: it cannot be read, written or copied. For devices
// with device_reads(); the source must outlive it.
struct buffer *buffer_create_from(struct device *d, size_t size,
                                  const struct weights_source *source);
size_t buffer_size(const struct buffer *b);
bool buffer_streamed(const struct buffer *b); // weights outside the device's memory
// Bytes free for weights now, without displacing anything else; SIZE_MAX: not known.
size_t device_room(struct device *d);
bool buffer_write(struct buffer *b, size_t offset, const void *data, size_t size, struct err *err);
bool buffer_read(struct buffer *b, size_t offset, void *data, size_t size, struct err *err);
bool buffer_copy(struct buffer *to, size_t to_offset, struct buffer *from, size_t from_offset,
                 size_t size, struct err *err);

bool buffer_zero(struct buffer *b, struct err *err);

struct plan_params {
    struct device *device;
    struct buffer *slots[SLOT_COUNT]; // for bound tensors; SLOT_ARENA stays NULL
    bool constant_params; // SLOT_PARAMS will not change while the plan lives: weights may be packed
    bool plain;           // only plain kernels: the reference definitions, slow
};

// Bytes of the arena that a plan of this graph would have.
size_t plan_arena(struct graph *g, const struct device *d, struct err *err);
// Bytes of the repacked copies of constant weights that such a plan would keep for its products.
size_t plan_copies(const struct graph *g, const struct device *d);
// Bytes of working memory of its kernels; 0 on devices that know only when it is made.
size_t plan_scratch(const struct graph *g, const struct device *d);
// Peak bytes of weights in memory at once when they come from this source.
size_t plan_streamed(struct graph *g, const struct device *d, const struct weights_source *source);
struct plan *plan_create(struct graph *g, const struct plan_params *params, struct err *err);
void plan_destroy(struct plan *p); // before its graph; NULL is fine

// Whole tensors, dense, in the node's dtype. n: an input or output of the plan's graph.
bool plan_write(struct plan *p, const struct node *n, const void *data, struct err *err);
bool plan_read(struct plan *p, const struct node *n, void *data, struct err *err);
// As above with conversion from/to f32.
bool plan_write_f32(struct plan *p, const struct node *n, const float *data, struct err *err);
bool plan_read_f32(struct plan *p, const struct node *n, float *data, struct err *err);
// Copies an output of one plan to an input of another on the same device, of the same shape and
// dtype.
bool plan_copy(struct plan *to, const struct node *input, struct plan *from,
               const struct node *output, struct err *err);

// Copies a whole output to an offset of a larger input: one row of a batch.
bool plan_copy_into(struct plan *to, const struct node *input, size_t at, struct plan *from,
                    const struct node *output, struct err *err);
// Copies a whole output to a buffer of its size, and such a buffer to an offset of an input.
bool plan_save(struct plan *from, const struct node *output, struct buffer *to, struct err *err);
bool plan_restore(struct plan *to, const struct node *input, size_t at, struct buffer *from,
                  struct err *err);

bool plan_run(struct plan *p, struct err *err);

// From now on each run calls `ready` for every step that has changed bytes [first, last) of the
// buffer bound at `slot`: on the CPU as soon as that step is done, while later steps still have to
// run; on other devices when all are done. Called on the thread of plan_run(). ready NULL: stop.
typedef void plan_ready_fn(void *ctx, size_t first, size_t last);
void plan_watch(struct plan *p, enum slot slot, plan_ready_fn *ready, void *ctx);

struct plan_stats {
    int steps;          // nodes that run
    size_t arena;       // bytes of the arena as laid out
    size_t lower_bound; // peak bytes live at one step: no layout can need less
    size_t scratch;     // bytes of working memory of kernels
    size_t packed;      // bytes of packed weights
    size_t streamed;    // peak bytes of streamed weights
    double flops;       // of products in one run
};
void plan_stats(const struct plan *p, struct plan_stats *stats);

// Time of each step: plan_profile(p, true) starts measuring, from zero; plan_times() reads the
// totals.
void plan_profile(struct plan *p, bool on);
struct plan_time {
    const struct node *node;
    double seconds; // total since plan_profile()
    double flops;   // of one run, 0 if not a product
    size_t bytes;   // read and written in one run
    bool fast;      // not the plain kernel
};
int plan_times(const struct plan *p, struct plan_time *times, int max); // returns the count

#endif

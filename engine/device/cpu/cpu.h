// SPDX-License-Identifier: MIT
// Kernels of the CPU device, and its threads. Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_CPU_H
#define LIMN_ENGINE_DEVICE_CPU_CPU_H

#include "engine/ops/op.h"

// One node prepared to run. Pointers are to dense row-major memory, aligned to 64 bytes (views made
// by op_part: to the element). dst may equal src[i] only where the planner allows it: for
// elementwise kernels that read and write the same index (see cpu_may_overwrite()).
struct cpu_step {
    const struct node *node;
    void *dst;
    const void *src[OP_SRC_MAX];
    void *scratch;           // scratch_size bytes, 64-byte aligned, contents undefined
    size_t scratch_size;     // set by prepare()
    void *state;             // the kernel's own, made by prepare(), freed by release()
    bool constant[OP_SRC_MAX]; // src[i] never changes during the plan's life: may be packed once
    size_t packed;           // bytes of packed weights in state, set by prepare() or the first run
    const struct cpu_kernel *kernel; // NULL: the plain kernel
};

// The address of every tensor of a step that is prepared only to learn how much memory it needs;
// nothing is read from it or kept.
extern const char cpu_dummy_data[];

// A fast kernel. `prepare` returns whether it supports the node (shapes, dtypes), and reserves
// scratch and state; dst and src are set, but their contents and scratch are not there yet. False
// is not an error: the next candidate or the plain kernel gets the node. `release` may be NULL.
// `keeps` returns whether the kernel would keep a packed copy of a constant source 1, as large as
// the source; NULL: never.
struct cpu_kernel {
    const char *name;
    bool (*prepare)(struct cpu_step *s);
    void (*run)(struct cpu_step *s);
    void (*release)(struct cpu_step *s);
    bool (*keeps)(const struct node *n);
};

// Candidates for an op, best first, NULL at the end; filled for this processor when the device is
// opened. An op without candidates has only its plain kernel.
enum { CPU_KERNELS_PER_OP = 3 };
struct cpu_table {
    const struct cpu_kernel *kernels[OP_COUNT][CPU_KERNELS_PER_OP + 1];
};
void cpu_table_add(struct cpu_table *t, enum op op, const struct cpu_kernel *k); // appends
void cpu_table_first(struct cpu_table *t, enum op op, const struct cpu_kernel *k); // at the front

// Each family of kernels (fast_*.c, dnnl_*.c) adds its own.
void cpu_add_dnnl(struct cpu_table *t);  // matmul, conv2d and its gradients; none without oneDNN
void cpu_add_fast(struct cpu_table *t);  // everything else, for the best instruction set available

// The plain kernels: the reference definitions. They fail only on bad data (gather ids out of
// range).
typedef bool cpu_plain_fn(const struct cpu_step *s, struct err *err);
extern cpu_plain_fn *const cpu_plain[OP_COUNT];

// Threads. Runs body(ctx, first, last) over [0,n) split in contiguous pieces of at least `grain`,
// at most cpu_threads() of them; the split depends on n, grain and the thread count alone. Nested
// calls run on the calling thread. (Based on OpenMP, as oneDNN is, so that both share one pool.)
int cpu_threads(void);
int cpu_threads_set(int n); // for the calling thread, from now on; returns the old number
void cpu_parallel(int64_t n, int64_t grain, void (*body)(void *ctx, int64_t first, int64_t last),
                  void *ctx);

#endif

// SPDX-License-Identifier: MIT
// Weights that stay in their files (buffer_create_from()): a thread of the plan loads what the next
// steps read while the current one computes, and weights that no later step reads leave memory. A
// piece is a whole parameter. Parameters that a mapped file holds in the form the kernels want are
// only paged in; others are converted into the plan's memory. Small ones stay loaded, and of a
// table only the rows that a step gathers are loaded. Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_STREAM_H
#define LIMN_ENGINE_DEVICE_CPU_STREAM_H

#include "engine/device/cpu/cpu.h"
#include "engine/device/plan.h"

struct cpu_stream;

// For a plan that is laid out. Loads the small pieces. NULL: error.
struct cpu_stream *cpu_stream_create(const struct plan *p, const struct weights_source *source,
                                     struct err *err);
void cpu_stream_destroy(struct cpu_stream *s); // NULL is fine

// The address of a bound weight tensor while a step that reads it runs; the same in every run.
const char *cpu_stream_at(const struct cpu_stream *s, const struct node *bound);
// Says that a step's kernel keeps a packed copy of that tensor from its first run on.
void cpu_stream_packed(struct cpu_stream *s, const struct node *bound);

// One run: start; begin and end for each step; finish. After an error, stop instead of the rest.
void cpu_stream_start(struct cpu_stream *s);
bool cpu_stream_begin(struct cpu_stream *s, int step, struct err *err);
void cpu_stream_end(struct cpu_stream *s, int step);
bool cpu_stream_finish(struct cpu_stream *s, struct err *err);
void cpu_stream_stop(struct cpu_stream *s);

// Peak bytes of the plan's weights in memory.
size_t cpu_stream_bytes(const struct plan *p, const struct weights_source *source);

#endif

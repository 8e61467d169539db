// SPDX-License-Identifier: MIT
// Weights that stay in their files (buffer_create_from()): a thread of the plan's own brings what
// the next steps read while this one computes, and what no later step reads leaves memory. A
// piece is a whole parameter. Those that lie in a mapped file as the kernels want them are only
// paged in; others are converted into memory of the plan's. Small ones stay, and of a table only
// the rows are brought that a step gathers. Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_STREAM_H
#define LIMN_ENGINE_DEVICE_CPU_STREAM_H

#include "engine/device/cpu/cpu.h"
#include "engine/device/plan.h"

struct cpu_stream;

// Of a plan that is laid out. Brings the small pieces. NULL: error.
struct cpu_stream *cpu_stream_create(const struct plan *p, const struct weights_source *source,
                                     struct err *err);
void cpu_stream_destroy(struct cpu_stream *s); // NULL is fine

// Where a bound tensor of the weights lies while a step that reads it runs; the same in every run.
const char *cpu_stream_at(const struct cpu_stream *s, const struct node *bound);
// The kernel of a step keeps a copy of it from its first run on.
void cpu_stream_kept(struct cpu_stream *s, const struct node *bound);

// A run: start, for each step begin and end, finish; after an error stop in place of what is left.
void cpu_stream_start(struct cpu_stream *s);
bool cpu_stream_begin(struct cpu_stream *s, int step, struct err *err);
void cpu_stream_end(struct cpu_stream *s, int step);
bool cpu_stream_finish(struct cpu_stream *s, struct err *err);
void cpu_stream_stop(struct cpu_stream *s);

// The most that is in memory at once of the weights of such a plan, in bytes.
size_t cpu_stream_bytes(const struct plan *p, const struct weights_source *source);

#endif

// SPDX-License-Identifier: MIT
// Sums the gradients over a group of processes while they are still being computed. The backward
// pass computes them from the last layer to the first; as soon as a few MiB are ready, a thread
// sums that bucket over the group, while this process computes the next one (Li et al., "PyTorch
// Distributed: Experiences on Accelerating Data Parallel Training", 2020, section 3.2: buckets).
//
// Buckets and their order are the same in every process, whichever plan it runs: they follow the
// order in which the graph with the most references computes its gradients.
#ifndef LIMN_ENGINE_TRAIN_EXCHANGE_H
#define LIMN_ENGINE_TRAIN_EXCHANGE_H

#include "engine/device/device.h"
#include "engine/train/group.h"

struct exchange;

struct exchange_params {
    const struct group *group;
    struct buffer *gradients; // SLOT_GRADS, f32
    // The graphs that may be run, by number of references, so that the last has the most gradients;
    // entries may be NULL. Kept by the caller.
    const struct graph *const *graphs;
    int graph_count;
};

// NULL: ERR_MEMORY, or ERR_IO if the thread cannot be started.
struct exchange *exchange_create(const struct exchange_params *p, struct err *err);
void exchange_destroy(struct exchange *e); // NULL is fine

// Call it before the last micro-batch of a step runs with `plan`, made from graphs[which]: its
// gradients are sent as they are computed. Every process of the group must end each step, and
// begins it unless it has failed before.
void exchange_begin(struct exchange *e, struct plan *plan, int which);
// Call it when that micro-batch has run or failed: waits until the gradients are the sums over the
// group. A process that failed before exchange_begin() sends its gradients as they are, since the
// others wait for them.
bool exchange_end(struct exchange *e, struct err *err);

#endif

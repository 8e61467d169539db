// SPDX-License-Identifier: MIT
// Sums the gradients over a group of processes while they are still being computed. The backward
// pass makes them from the last layer to the first; as soon as a few MiB of them are there, a
// thread sends them round, while this process computes the next (Li et al., "PyTorch Distributed:
// Experiences on Accelerating Data Parallel Training", 2020, section 3.2: buckets).
//
// Buckets and their order are the same in every process, whatever each computes: they follow the
// order in which the plan with the most references makes its gradients.
#ifndef LIMN_ENGINE_TRAIN_EXCHANGE_H
#define LIMN_ENGINE_TRAIN_EXCHANGE_H

#include "engine/device/device.h"
#include "engine/train/group.h"

struct exchange;

struct exchange_params {
    const struct group *group;
    struct buffer *gradients; // SLOT_GRADS, f32
    // The graphs that may be run, NULL between them; the last are the fullest. Kept by the caller.
    const struct graph *const *graphs;
    int graph_count;
};

// ERR_MEMORY, ERR_IO (no thread): NULL.
struct exchange *exchange_create(const struct exchange_params *p, struct err *err);
void exchange_destroy(struct exchange *e); // NULL is fine

// The last micro-batch of a step is about to run, with that plan of graphs[which]: what it makes is
// sent round as it comes. Every process of the group is to begin and to end each step.
void exchange_begin(struct exchange *e, struct plan *plan, int which);
// The micro-batch has run, or has failed: waits until the gradients are the sums. Without a
// beginning (a process that failed before) what is there takes part all the same.
bool exchange_end(struct exchange *e, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// The processes that train one model together, each on its share of every step's micro-batches
// (data-parallel training). Their communication is a table of functions that the program provides
// (mpi/); the trainer does not depend on how it works.
//
// All processes of a group make the same calls in the same order. A failure of communication is not
// returned as an error: it ends the whole group, as does the death of a process.
//
// Thread: any, one at a time.
#ifndef LIMN_ENGINE_TRAIN_GROUP_H
#define LIMN_ENGINE_TRAIN_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

struct group {
    int rank, size; // of this process, from 0; the number of processes
    // Elementwise sums over all processes, in place; every process gets the same bits.
    void (*add_floats)(float *x, size_t count);
    void (*add_doubles)(double *x, size_t count);
    void (*share)(void *data, size_t bytes); // broadcasts rank 0's data
    void (*leave)(void);                     // the last call; waits for the others
};

// g may be NULL in all of these: a single process.
int group_rank(const struct group *g);
int group_size(const struct group *g);
// The lowest rank whose `here` is true; -1: none. Waits for all processes.
int group_first(const struct group *g, bool here);
// Whether `ok` is true in every process; waits for all. If not, the failed process of lowest rank
// keeps its `err`, and all others get ERR_CANCELLED, so that only one reports the reason.
bool group_all_ok(const struct group *g, bool ok, struct err *err);
// Whether all processes have the same bytes, by a 64-bit hash; waits for all.
bool group_same(const struct group *g, const void *data, size_t bytes);

#endif

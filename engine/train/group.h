// SPDX-License-Identifier: MIT
// The processes that train one model together, each on its share of every step's micro-batches
// (data-parallel training). What carries their numbers is a table that a program brings (mpi/); to
// the trainer it does not matter what that is.
//
// All processes of a group make the same calls in the same order. A failure of what carries the
// numbers does not come back as an error: it ends the whole group, as does the death of a process.
//
// Thread: one at a time, whichever it is.
#ifndef LIMN_ENGINE_TRAIN_GROUP_H
#define LIMN_ENGINE_TRAIN_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

struct group {
    int rank, size; // of this process, from 0, and how many there are
    // Element by element the sum over all processes, in place; each gets the same bits.
    void (*add_floats)(float *x, size_t count);
    void (*add_doubles)(double *x, size_t count);
    void (*share)(void *data, size_t bytes); // what rank 0 has, to all
    void (*leave)(void);                     // the last call; waits for the others
};

// Of a group that may be NULL, which is one process alone.
int group_rank(const struct group *g);
int group_size(const struct group *g);
// The lowest rank of those that say so, -1: none does. Every process waits here for all others.
int group_first(const struct group *g, bool here);
// Whether all is well in every process. Where it is not, the first that failed keeps its sentence,
// and the others get ERR_CANCELLED: one says why.
bool group_well(const struct group *g, bool ok, struct err *err);
// Whether all processes have the same bytes.
bool group_same(const struct group *g, const void *data, size_t bytes);

#endif

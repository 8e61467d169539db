// SPDX-License-Identifier: MIT
// The interface of the module limn-mpi.so.
#ifndef LIMN_MPI_GROUP_MPI_H
#define LIMN_MPI_GROUP_MPI_H

#include "engine/train/group.h"

// Joins the processes that were started together, and waits for them. Call it once per process.
// NULL: this MPI does not support MPI_THREAD_SERIALIZED.
typedef const struct group *limn_group_join_fn(void);
__attribute__((visibility("default"))) const struct group *limn_group_join(void);

#endif

// SPDX-License-Identifier: MIT
// What the module limn-mpi.so has for limn.
#ifndef LIMN_MPI_GROUP_MPI_H
#define LIMN_MPI_GROUP_MPI_H

#include "engine/train/group.h"

// Joins the processes that were started together, and waits for them. Once in a process. NULL: this
// MPI lets a program have only one thread.
typedef const struct group *limn_group_join_fn(void);
__attribute__((visibility("default"))) const struct group *limn_group_join(void);

#endif

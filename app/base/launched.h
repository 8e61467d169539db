// SPDX-License-Identifier: MIT
// Processes of this program that an MPI launcher (mpirun, mpiexec, srun) has started together.
#ifndef LIMN_APP_BASE_LAUNCHED_H
#define LIMN_APP_BASE_LAUNCHED_H

#include "engine/base/err.h"
#include "engine/train/group.h"

// Whether this process is one of several, by what launchers put into the environment: Open MPI,
// MPICH and those made of it, and Slurm with PMIx or PMI-2.
bool launched_together(void);

// Joins them, and waits for them; *group is NULL where this process was started alone. Once in a
// process; (*group)->leave() is due. ERR_UNSUPPORTED: limn was built without MPI.
bool launched_join(const struct group **group, struct err *err);

#endif

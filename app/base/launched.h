// SPDX-License-Identifier: MIT
// Processes of this program started together by an MPI launcher (mpirun, mpiexec, srun).
#ifndef LIMN_APP_BASE_LAUNCHED_H
#define LIMN_APP_BASE_LAUNCHED_H

#include "engine/base/err.h"
#include "engine/train/group.h"

// Whether this process is one of several, from the environment variables that launchers set: Open
// MPI, MPICH and its derivatives, and Slurm with PMIx or PMI-2.
bool launched_by_mpi(void);

// Joins the other processes and waits for them; *group is NULL if this process was started alone.
// Call it once per process, and (*group)->leave() at the end. ERR_UNSUPPORTED: limn was built
// without MPI.
bool launched_join(const struct group **group, struct err *err);

#endif

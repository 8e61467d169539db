// SPDX-License-Identifier: MIT
// A group (engine/train/group.h) of processes that an MPI launcher has started. A module of its
// own, so that limn does not depend on MPI: only processes started by a launcher load it. MPI's
// default error handler stays, which aborts all processes.
#include <mpi.h>

#include "engine/base/mem.h"
#include "mpi/group_mpi.h"

enum { AT_ONCE = 1 << 28 }; // MPI counts in ints

static void
add(void *x, size_t count, size_t size, MPI_Datatype type)
{
    for (size_t done = 0; done < count; done += AT_ONCE)
        MPI_Allreduce(MPI_IN_PLACE, (char *)x + done * size, (int)MIN(count - done, AT_ONCE), type,
                      MPI_SUM, MPI_COMM_WORLD);
}

static void
add_floats(float *x, size_t count)
{
    add(x, count, sizeof *x, MPI_FLOAT);
}

static void
add_doubles(double *x, size_t count)
{
    add(x, count, sizeof *x, MPI_DOUBLE);
}

static void
share(void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes; done += AT_ONCE)
        MPI_Bcast((char *)data + done, (int)MIN(bytes - done, AT_ONCE), MPI_BYTE, 0,
                  MPI_COMM_WORLD);
}

static void
leave(void)
{
    MPI_Finalize();
}

const struct group *
limn_group_join(void)
{
    static struct group group = {.add_floats = add_floats, .add_doubles = add_doubles,
                                 .share = share, .leave = leave};
    int given;
    // The trainer's thread and the one that sends gradients take turns, and never call together.
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &given) != MPI_SUCCESS ||
        given < MPI_THREAD_SERIALIZED)
        return NULL;
    MPI_Comm_rank(MPI_COMM_WORLD, &group.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &group.size);
    return &group;
}

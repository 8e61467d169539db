// SPDX-License-Identifier: MIT
#include "app/base/threads.h"

#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool
threads_start(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err)
{
    int failed = pthread_create(thread, NULL, run, arg);
    return !failed || err_set(err, ERR_MEMORY, "no thread can be made: %s", strerror(failed));
}

// struct sched_attr of the kernel (include/uapi/linux/sched/types.h), which C libraries have only
// of late, some under its name.
struct sched_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; // nanoseconds; runtime: of a turn
};

enum { SLICE_NS = 250000, RESET_ON_FORK = 1 };

void
threads_shorten_slice(void)
{
    struct sched_attributes s = {.size = sizeof s};
    if (syscall(SYS_sched_getattr, 0, &s, (unsigned)sizeof s, 0) != 0 || s.policy != SCHED_OTHER)
        return;
    s.flags |= RESET_ON_FORK;
    s.runtime = SLICE_NS;
    if (syscall(SYS_sched_setattr, 0, &s, 0) != 0) {
        // It goes without.
    }
}

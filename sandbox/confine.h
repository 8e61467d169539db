// SPDX-License-Identifier: MIT
// Takes from this process whatever looking at a stranger's bytes does not need. There is no way
// back: call it in a child.
//
// Landlock: only the files named (and the system's libraries, fonts and colour profiles) can be
// read, none written, no TCP, no signals to and no sockets of processes outside. seccomp: a list
// of system calls; no sockets, no programs, no processes (threads yes), no tracing, no signals but
// its own, no namespaces, no opening for writing. Limits (setrlimit): memory, processor time, no
// files written, few descriptors, no core dumps. Landlock and seccomp hold for root too.
#ifndef LIMN_SANDBOX_CONFINE_H
#define LIMN_SANDBOX_CONFINE_H

#include <stdbool.h>

#include "engine/base/err.h"

struct confine_kernel {
    int landlock; // version of its ABI; 0: none
    bool seccomp;
};
// What the kernel here offers, and this build of limn uses.
struct confine_kernel confine_kernel(void);

struct confine_rules {
    const char *const *readable; // files and folders, NULL at the end; NULL: none
    double processor_seconds;    // of all threads together
    int megabytes;               // MiB of address space beyond what the process has now
};

// Single-threaded. ERR_UNSUPPORTED when the kernel does not do what it offers: then go no further.
bool confine_self(const struct confine_rules *rules, const struct confine_kernel *kernel,
                  struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Removes every right from this process that handling untrusted input does not need. This cannot be
// undone: call it in a child.
//
// Landlock: only the given files (and the system's libraries, fonts and colour profiles) can be
// read, none written; no TCP; no signals to outside processes, and no connections to their abstract
// sockets. seccomp: a list of system calls; no sockets, no programs, no processes (threads are
// allowed), no tracing, signals only to itself, no namespaces, no opening for writing. Limits
// (setrlimit): memory, processor time, no file writes, few descriptors, no core dumps. Landlock and
// seccomp apply to root too.
#ifndef LIMN_SANDBOX_CONFINE_H
#define LIMN_SANDBOX_CONFINE_H

#include <stdbool.h>

#include "engine/base/err.h"

struct confine_kernel {
    int landlock; // version of its ABI; 0: none
    bool seccomp;
};
// What this kernel offers and this build of limn uses.
struct confine_kernel confine_kernel(void);

struct confine_rules {
    const char *const *readable; // files and folders, NULL at the end; NULL: none
    double processor_seconds;    // of all threads together
    int megabytes;               // MiB of address space beyond what the process has now
};

// Call it while there is one thread. ERR_UNSUPPORTED if a feature the kernel offers fails: then do
// not handle any input.
bool confine_self(const struct confine_rules *rules, const struct confine_kernel *kernel,
                  struct err *err);

#endif

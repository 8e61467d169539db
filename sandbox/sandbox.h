// SPDX-License-Identifier: MIT
// Child processes for untrusted input: pictures to decode, loaders to run.
//
// A keeper process is forked early, while there is one thread and little in memory. It starts
// the children, each in a process group of its own and confined (sandbox/confine.h) before it sees
// any input, and kills the whole group when its owner closes it or has gone. If the keeper is
// killed, its children go with it and their work fails; the next request starts another keeper.
// A child's answer may be anything, since the child may have been taken over: the caller checks
// sizes and numbers.
#ifndef LIMN_SANDBOX_SANDBOX_H
#define LIMN_SANDBOX_SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

// In the child: answers over `fd` until the other side closes it. `readable`: from the owner.
typedef void sandbox_serve(int fd, const char *const *readable);

// Starts the keeper; later calls do nothing. Call it from the main thread before others start.
// Forked processes may share the keeper. `prepare` (may be NULL) runs in the keeper, which never
// sees untrusted input, so that its children need not repeat it; if it crashes the keeper, the next
// keeper skips it.
bool sandbox_start(sandbox_serve *serve, void (*prepare)(void), struct err *err);

struct sandbox_params {
    // Files and folders that may be read besides the system's, NULL at the end; may be NULL.
    const char *const *readable;
    int megabytes;               // MiB that it may allocate
    double processor_seconds;
};

struct sandbox; // one child
// Any thread; used by one at a time. ERR_IO: no process.
struct sandbox *sandbox_open(const struct sandbox_params *params, struct err *err);

enum sandbox_state {
    SANDBOX_DONE = 0,
    SANDBOX_ENDED,   // the child has ended or closed its side
    SANDBOX_LATE,    // the deadline has passed
    SANDBOX_STOPPED, // *stop is no longer 0
};
struct sandbox_wait {
    double deadline;        // of clock_seconds()
    const atomic_int *stop; // may be NULL
};
// Transfers all `size` bytes to or from the child. After any result but SANDBOX_DONE, call
// sandbox_close().
enum sandbox_state sandbox_write(struct sandbox *s, const void *data, size_t size,
                                 const struct sandbox_wait *wait);
enum sandbox_state sandbox_read(struct sandbox *s, void *data, size_t size,
                                const struct sandbox_wait *wait);

// Exit codes of a child: it could not be created, prepared or confined, and has seen no input; it
// ran out of memory.
enum { SANDBOX_UNCONFINED = 71, SANDBOX_NO_MEMORY = 72 };
// Kills the child and its group. Returns the status of waitpid(), or -1 if unknown; a child that
// was still running has ended with SIGKILL. NULL: -1.
int sandbox_close(struct sandbox *s);
// The same without waiting, if the status does not matter. NULL is fine.
void sandbox_kill(struct sandbox *s);

// Which parts of the sandbox this kernel or build lacks, as a sentence; NULL: none.
const char *sandbox_lacks(void);

#endif

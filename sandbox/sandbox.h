// SPDX-License-Identifier: MIT
// Children that look at strangers' bytes: pictures to decode, loaders to run.
//
// A keeper process is forked off early, while there is one thread and little in memory. It starts
// the children, each confined (sandbox/confine.h) before it sees a byte, in a process group of its
// own; it ends the whole group when its owner lets go of it, or is gone. A keeper that is killed
// takes its children along, whose looks fail, and the next look has another keeper. What a child
// answers may be anything: a taken-over child says what it likes, so sizes and numbers are checked
// by whoever asked.
#ifndef LIMN_SANDBOX_SANDBOX_H
#define LIMN_SANDBOX_SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

// In the child: answers over `fd` until the other side closes it. `readable`: as the owner gave it.
typedef void sandbox_serve(int fd, const char *const *readable);

// Starts the keeper; the second call and later ones do nothing. From the main thread, before others
// start. A process that forks off others may let them use the same keeper. `prepare` (may be NULL)
// runs in the keeper, which has seen no stranger's byte, so that its children need not do it each.
bool sandbox_start(sandbox_serve *serve, void (*prepare)(void), struct err *err);

struct sandbox_params {
    // Files and folders beside the system's, NULL at the end; may be NULL.
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
// All `size` bytes, to the child or from it. After anything but SANDBOX_DONE only sandbox_close()
// is of use.
enum sandbox_state sandbox_write(struct sandbox *s, const void *data, size_t size,
                                 const struct sandbox_wait *wait);
enum sandbox_state sandbox_read(struct sandbox *s, void *data, size_t size,
                                const struct sandbox_wait *wait);

// What a child exits with: it could not be made ready or confined, and so has seen nothing; it got
// no memory.
enum { SANDBOX_UNCONFINED = 71, SANDBOX_NO_MEMORY = 72 };
// Ends the child and its group. The status as waitpid() has it, or -1 when it is not known; a child
// that was ended by this call has ended with SIGKILL. NULL: -1.
int sandbox_close(struct sandbox *s);
// The same without waiting for the end, where the status does not matter. NULL is fine.
void sandbox_let_go(struct sandbox *s);

// What this kernel or build lacks of the sandbox, as a sentence; NULL: nothing.
const char *sandbox_lacks(void);

#endif

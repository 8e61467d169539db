// SPDX-License-Identifier: MIT
// Decoders overflow a small stack (ulimit -s).
#ifndef LIMN_SANDBOX_STACK_H
#define LIMN_SANDBOX_STACK_H

// Calls run(arg) and returns when it does: on a thread with 8 MiB of stack where this process has
// less and a thread can be made, else as it is.
void stack_run(void (*run)(void *), void *arg);

#endif

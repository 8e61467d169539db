// SPDX-License-Identifier: MIT
// A larger stack for decoders, which overflow a small one (ulimit -s).
#ifndef LIMN_SANDBOX_STACK_H
#define LIMN_SANDBOX_STACK_H

// Calls run(arg) and waits for it: on a thread with a stack of 8 MiB if this process has less and a
// thread can be created, else directly.
void stack_run(void (*run)(void *), void *arg);

#endif

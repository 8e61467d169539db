// SPDX-License-Identifier: MIT
#include "sandbox/stack.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

enum { STACK_BYTES = 8 << 20 };

struct call {
    void (*run)(void *);
    void *arg;
};

static void *
run_call(void *call)
{
    const struct call *c = call;
    c->run(c->arg);
    return NULL;
}

void
stack_run(void (*run)(void *), void *arg)
{
    struct call call = {run, arg};
    struct rlimit stack;
    pthread_attr_t attr;
    pthread_t thread;
    bool small = getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < STACK_BYTES;
    if (small && pthread_attr_init(&attr) == 0 &&
        pthread_attr_setstacksize(&attr, STACK_BYTES) == 0 &&
        pthread_create(&thread, &attr, run_call, &call) == 0)
        pthread_join(thread, NULL);
    else
        run(arg);
}

// SPDX-License-Identifier: MIT
// Starting threads, with an error where that fails, and how long one waits for a processor.
#ifndef LIMN_APP_BASE_THREADS_H
#define LIMN_APP_BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/base/err.h"

// ERR_MEMORY when the system has no more; *thread must not be joined then.
bool threads_start(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err);

// For a thread that answers keys while others compute: it asks the kernel for short turns, and so
// gets one soon after it wakes (Linux 6.12 and later; before, nothing changes). Its share of the
// processor stays what it was; threads and processes that it starts are as all others.
void threads_take_short_turns(void);

#endif

// SPDX-License-Identifier: MIT
// Starting threads with an error on failure, and scheduling latency.
#ifndef LIMN_APP_BASE_THREADS_H
#define LIMN_APP_BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/base/err.h"

// ERR_MEMORY when the system has no more; *thread must not be joined then.
bool threads_start(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err);

// For a thread that answers keys while others compute: asks the kernel for a short time slice, so
// that the thread runs soon after it wakes (Linux 6.12 and later; no effect before). Its share of
// the processor is unchanged; threads and processes that it starts do not inherit this.
void threads_shorten_slice(void);

#endif

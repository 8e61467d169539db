// SPDX-License-Identifier: MIT
// Starting threads, with an error where that fails.
#ifndef LIMN_APP_BASE_THREADS_H
#define LIMN_APP_BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/base/err.h"

// ERR_MEMORY when the system has no more; *thread must not be joined then.
bool threads_start(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Threads that are started, or an error.
#ifndef LIMN_APP_BASE_THREADS_H
#define LIMN_APP_BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/base/err.h"

// ERR_MEMORY when the system has none left; then *thread is not to be joined.
bool threads_start(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err);

#endif

// SPDX-License-Identifier: MIT
#include "app/base/threads.h"

#include <string.h>

bool
threads_start(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err)
{
    int failed = pthread_create(thread, NULL, run, arg);
    return !failed || err_set(err, ERR_MEMORY, "no thread can be made: %s", strerror(failed));
}

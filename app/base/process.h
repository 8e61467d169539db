// SPDX-License-Identifier: MIT
// Names of processes that stay unique, unlike process ids, which the system reuses.
#ifndef LIMN_APP_BASE_PROCESS_H
#define LIMN_APP_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROCESS_NAME_MAX = 192, PROCESS_END_TEXT = 200 };

// "signal 9 (Killed), …": the signal that ended a process and, where it can be told, whether lack
// of memory was the cause. `here`: the process ran under the same limits as this one.
void process_end_text(int signal, bool here, char out[PROCESS_END_TEXT]);

// "MACHINE BOOT PID START": the machine, its boot, the process id and when it started; "" if there
// is no such process. False, "" and errno: it cannot be determined.
bool process_name(pid_t pid, char out[PROCESS_NAME_MAX]);

enum process_state {
    PROCESS_GONE = 0,
    PROCESS_ALIVE,
    PROCESS_ELSEWHERE // unknown: on another machine that shares this home folder, or
                      // no descriptor is left to look it up
};
// *pid (may be NULL) is set if the process lives. A text that is not such a name counts as
// PROCESS_GONE.
enum process_state process_state(const char *name, pid_t *pid);

#endif

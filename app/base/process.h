// SPDX-License-Identifier: MIT
// Names of processes that stay unique, unlike process numbers, which are used again.
#ifndef LIMN_APP_BASE_PROCESS_H
#define LIMN_APP_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROCESS_NAME_MAX = 192, PROCESS_END_TEXT = 200 };

// "signal 9 (Killed), …": the signal that ended a process and, where that can be known, whether
// memory had run out. `here`: it ran under the limits of this process.
void process_end_text(int signal, bool here, char out[PROCESS_END_TEXT]);

// "MACHINE BOOT PID START": the machine, its boot, the process's number and when it started; "" if
// there is no such process. False, "" and errno: it cannot be determined.
bool process_name(pid_t pid, char out[PROCESS_NAME_MAX]);

enum process_state {
    PROCESS_GONE = 0,
    PROCESS_LIVES,
    PROCESS_ELSEWHERE // unknown: it is on another machine, which shares this home
                      // folder, or there is no descriptor left to look with
};
// *pid (may be NULL) is set for a process that lives. A text that is not such a name counts as a
// process that is gone.
enum process_state process_state(const char *name, pid_t *pid);

#endif

// SPDX-License-Identifier: MIT
// Names of processes that stay unique: a number alone is given to others after its process has
// ended.
#ifndef LIMN_APP_BASE_PROCESS_H
#define LIMN_APP_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROCESS_NAME_MAX = 192, PROCESS_END_TEXT = 200 };

// "signal 9 (Killed), …": the signal that ended one, and, as far as it can be known, whether it was
// for lack of memory. `here`: it had the limits that this process has.
void process_end_text(int signal, bool here, char out[PROCESS_END_TEXT]);

// "MACHINE BOOT PID START": machine, its boot, number and start of the process; "" when there is
// none. False: that cannot be known (errno says why), and it is "".
bool process_name(pid_t pid, char out[PROCESS_NAME_MAX]);

enum process_state {
    PROCESS_GONE = 0,
    PROCESS_LIVES,
    PROCESS_ELSEWHERE // nothing is known of it: it is on another machine, which shares this home
                      // folder, or there is no descriptor left to look with
};
// *pid (may be NULL) gets the number of one that lives. A text that is no name is a process that is
// gone.
enum process_state process_state(const char *name, pid_t *pid);

#endif

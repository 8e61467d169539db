// SPDX-License-Identifier: MIT
// Carries bytes between this process's limn and a worker that was already there.
#ifndef LIMN_APP_WORKER_RELAY_H
#define LIMN_APP_WORKER_RELAY_H

// Until one side ends; closes `socket`. Returns an exit code.
int relay(int in, int out, int socket);

#endif

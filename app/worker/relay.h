// SPDX-License-Identifier: MIT
// Carries bytes between a client on this process's streams and a worker that was running already.
#ifndef LIMN_APP_WORKER_RELAY_H
#define LIMN_APP_WORKER_RELAY_H

// Until one side ends; closes `socket`. Returns an exit code.
int relay(int in, int out, int socket);

#endif

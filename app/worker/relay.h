// SPDX-License-Identifier: MIT
// Carries bytes between a client on `in` and `out` and a worker that was already running, until one
// side ends.
#ifndef LIMN_APP_WORKER_RELAY_H
#define LIMN_APP_WORKER_RELAY_H

// Closes `socket`. Returns an exit code.
int relay(int in, int out, int socket);

#endif

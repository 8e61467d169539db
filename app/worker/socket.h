// SPDX-License-Identifier: MIT
// Where workers that outlive their client wait for the next: Unix sockets in $XDG_RUNTIME_DIR/limn
// (or /tmp/limn-UID), a folder of mode 0700 that belongs to this user. Never a network port.
#ifndef LIMN_APP_WORKER_SOCKET_H
#define LIMN_APP_WORKER_SOCKET_H

#include "engine/base/err.h"

// Listens on worker-PID.sock. *path, freed with free(), is for socket_remove().
int socket_listen(char **path, struct err *err); // -1: failed
void socket_remove(char *path);                   // unlinks and frees; NULL is fine
int socket_accept(int listener);                  // -1: no connection, or not this user
// Connects to a worker that waits; removes the sockets of dead ones. -1: there is none.
int socket_find(void);

#endif

// SPDX-License-Identifier: MIT
// Commands that a worker runs for its client, each in a child process: this same program with a
// command from a fixed list, never a shell. Output is sent as it comes (`output`), then the files
// and the end (`file`, `ended`); a crash is reported as an error. Runs on the worker's thread.
//
// When the client goes, its children are interrupted as by Ctrl-C, so that training is saved.
// Detached ones keep running, without their client and without this worker; records.h says how they
// are found again.
#ifndef LIMN_APP_WORKER_CHILDREN_H
#define LIMN_APP_WORKER_CHILDREN_H

#include <stddef.h>
#include <stdint.h>

#include "app/worker/order.h"

struct pollfd;
struct children;

// Sends a message to the client. Takes ownership of `head`; the payload is valid during the call.
typedef void children_send(void *ctx, struct jv *head, const void *payload, size_t size);

enum { CHILDREN_MAX = 16, CHILDREN_FDS = 2 * CHILDREN_MAX };

struct children *children_open(children_send *say, void *ctx);
// Detached children keep running, the others are interrupted.
void children_close(struct children *c);

// Starts a command whose files have all arrived; takes ownership of the order. Answers `running`,
// or `ended` with the reason it did not start.
void children_start(struct children *c, struct order *o);
// Answers `ended` with the reason, for a command that cannot be started or followed.
void children_refuse(struct children *c, const char *id, const struct err *err);
// Like Ctrl-C; the second time the child ends at once. Also for detached commands started by other
// workers.
void children_interrupt(struct children *c, const char *id);
void children_pause(struct children *c, const char *id, bool pause); // like Ctrl-Z, then fg
// Sends the output of a detached command, starting at byte `from`, until it ends.
void children_follow(struct children *c, const char *id, int64_t from);
// Resumes a detached command that has ended, from what it saved.
void children_resume(struct children *c, const char *id);
void children_remove(struct children *c, const char *id); // the record of one that has ended
// Sends a piece of a file in the output folder of a detached command (`piece`).
void children_read(struct children *c, const struct jv *head);

int children_unfinished(const struct children *c);
// The client has gone: interrupts what is not detached, follows nothing.
void children_hangup(struct children *c);

// Fills in what to poll and returns how many. `hold`: the connection is slow, so nothing is read
// from the children.
int children_fds(const struct children *c, struct pollfd *fds, bool hold);
int children_wait(const struct children *c); // milliseconds until they want a turn; -1: none
void children_turn(struct children *c, bool hold);

#endif

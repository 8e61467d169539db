// SPDX-License-Identifier: MIT
// Commands of the command line that a worker runs for its limn: each a child process, this very
// program with one of a fixed list of names, never a shell. What a child says goes out as it comes
// (`output`), its files and its end follow (`file`, `ended`); one that crashes is a sentence. The
// worker's thread.
//
// A child ends with its limn: an interrupt, which it obeys as Ctrl-C, so that a training is saved.
// One that was detached goes on, without its limn and without this worker; records.h says how it is
// found again.
#ifndef LIMN_APP_WORKER_CHILDREN_H
#define LIMN_APP_WORKER_CHILDREN_H

#include <stddef.h>
#include <stdint.h>

#include "app/worker/order.h"

struct pollfd;
struct children;

// `head` becomes the receiver's; the payload is valid during the call.
typedef void children_say(void *ctx, struct jv *head, const void *payload, size_t size);

enum { CHILDREN_MAX = 16, CHILDREN_FDS = 2 * CHILDREN_MAX };

struct children *children_open(children_say *say, void *ctx);
// Those that are left go on, or are interrupted when the worker ends.
void children_close(struct children *c);

// Starts a command whose files are all here; takes over the order. Answers `running`, or `ended`
// with why not.
void children_start(struct children *c, struct order *o);
// As Ctrl-C there; a second time it ends at once. Detached ones by their name, whoever began them.
void children_interrupt(struct children *c, const char *id);
void children_pause(struct children *c, const char *id, bool pause); // as Ctrl-Z there, and fg
// Says what a detached one said, from a byte on, and goes on saying it until it ends.
void children_follow(struct children *c, const char *id, int64_t from);
// One that has ended goes on from what it saved.
void children_again(struct children *c, const char *id);
void children_remove(struct children *c, const char *id); // the record of one that has ended
// A piece of a file in the folder a detached one writes to, for looking at it: `piece`.
void children_read(struct children *c, const struct jv *head);

int children_unfinished(const struct children *c);
// Its limn has gone: what is not detached is interrupted, nobody is followed.
void children_hangup(struct children *c);

// What to poll. `hold`: the line is slow, so nothing more is taken from the children.
int children_fds(const struct children *c, struct pollfd *fds, bool hold);
int children_wait(const struct children *c); // milliseconds until they want a turn; -1: none
void children_turn(struct children *c, bool hold);

#endif

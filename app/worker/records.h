// SPDX-License-Identifier: MIT
// Commands that run without a client (limn train --detach): each has a folder in
// $XDG_STATE_HOME/limn/jobs (engine/base/xdg.h) with the order (record.json), its output (output)
// and the files that were sent for it. Every worker of this machine can read them, so a job is
// found, followed and stopped through any worker, even if the one that started it has gone.
#ifndef LIMN_APP_WORKER_RECORDS_H
#define LIMN_APP_WORKER_RECORDS_H

#include <sys/types.h>

#include "engine/base/jv.h"

enum { RECORDS_KEPT = 100 }; // of ended commands; older ones are removed

char *record_file(const char *id, const char *name); // in its folder; freed with free()
bool record_make(const char *id, struct err *err);   // its folder, mode 0700
bool record_write(const char *id, const struct jv *record, struct err *err);
// A folder or record that another user owns or can write to is ignored, with a warning in the log.
struct jv *record_read(const char *id, struct err *err);
void record_remove(const char *id); // with all its files
// A folder for the files of a command that is not detached. This worker removes it or, if it has no
// time to, the next one.
bool record_make_temporary(const char *id, struct err *err);
void records_sweep(void); // what dead workers left

// Records how it ended (a status of waitpid()), for the list of jobs: "code", or "signal" and
// "text". An end already recorded is kept. A command does this itself; its worker does it for one
// that crashed.
void record_end(const char *id, const char *command, int status);
void record_set_end(struct jv *out, const char *command, int status);
// The folder it writes to, freed with free(); NULL: none.
char *record_output(const struct jv *record);

// The process that runs it; 0: it has ended, or is another machine's.
pid_t record_pid(const struct jv *record);
// "running", "done", "stopped", "failed", or "lost": it ended unobserved.
const char *record_state(const struct jv *record);
// Every record, the newest first, with "id" and "state"; removes all but the newest RECORDS_KEPT
// that have ended.
struct jv *records_list(void);

#endif

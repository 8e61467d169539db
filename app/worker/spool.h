// SPDX-License-Identifier: MIT
// Finished pictures that no client has fetched yet: files JOB-INDEX.png in
// $XDG_STATE_HOME/limn/spool (or ~/.local/state/limn/spool). A picture is written, whole, before it
// is sent, and removed when the receiver says it is stored. So neither a lost connection nor a dead
// UI loses one.
#ifndef LIMN_APP_WORKER_SPOOL_H
#define LIMN_APP_WORKER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "app/job/job.h"

char *spool_file(const char *job, int index); // its path, existing or not; freed with free()
bool spool_put(const char *job, int index, const void *png, size_t size, struct err *err);
void *spool_get(const char *job, int index, size_t *size, struct err *err); // freed with free()
void spool_drop(const char *job, int index);
void spool_sweep(void); // what dead workers left half-written
// Where the latents of an unfinished drawing are kept ($XDG_STATE_HOME/limn/latents): one name for
// all jobs with the same latents. Freed with free(); NULL: nowhere.
char *spool_latents(const struct job *j, const char *model_hash, const char *device);
// Call it when the drawing has ended. If it failed, they stay for a week, `err` says so, and the
// same job continues from them. Frees `path`.
void spool_finish_latents(char *path, bool drawn, int64_t seed, struct err *err);
void spool_each(void (*each)(const char *job, int index, void *ctx), void *ctx);

#endif

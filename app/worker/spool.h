// SPDX-License-Identifier: MIT
// Finished pictures that nobody has fetched yet: files JOB-INDEX.png in $XDG_STATE_HOME/limn/spool
// (or ~/.local/state/limn/spool). A picture is there, whole, before it is sent, and goes when its
// receiver says that it has been stored. So neither a lost line nor a dead UI loses one.
#ifndef LIMN_APP_WORKER_SPOOL_H
#define LIMN_APP_WORKER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "app/job/job.h"

char *spool_file(const char *job, int index); // where it lies, or would; freed with free()
bool spool_put(const char *job, int index, const void *png, size_t size, struct err *err);
void *spool_get(const char *job, int index, size_t *size, struct err *err); // freed with free()
void spool_drop(const char *job, int index);
void spool_tidy(void); // what dead workers left half-written
// Where the latents of a drawing that is not done are kept ($XDG_STATE_HOME/limn/latents): one name
// for all jobs that give the same ones. Freed with free(); NULL: nowhere.
char *spool_latents(const struct job *j, const char *model_hash, const char *device);
// When the drawing has ended. Of one that has failed they stay, for a week, and `err` says so; the
// same job goes on from them. `path` is freed.
void spool_leave_latents(char *path, bool drawn, int64_t seed, struct err *err);
void spool_each(void (*each)(const char *job, int index, void *ctx), void *ctx);

#endif

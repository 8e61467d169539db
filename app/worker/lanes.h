// SPDX-License-Identifier: MIT
// The worker's computations: a queue of drawing jobs and a queue of loader runs, each with a thread
// of its own, so that a reference can be previewed while a picture is drawn. All calls but
// lanes_open() and lanes_close() may be made while both threads run; they send messages through
// `post`, on their own threads.
#ifndef LIMN_APP_WORKER_LANES_H
#define LIMN_APP_WORKER_LANES_H

#include "app/job/job.h"

struct lanes;

// Takes ownership of `head`; the payload is valid during the call.
typedef void lanes_post(void *ctx, struct jv *head, const void *payload, size_t size);

struct lanes *lanes_open(lanes_post *post, void *ctx, struct err *err); // NULL: no thread
// Stops the running job after its current step and drops the waiting ones. NULL is fine.
void lanes_close(struct lanes *l);

// Takes ownership of the job, whose references must all have their data. `previews`: send pictures
// with the progress.
void lanes_draw(struct lanes *l, struct job *job, bool previews);
bool lanes_cancel(struct lanes *l, const char *job); // false: no such job is waiting or running
void lanes_seen(struct lanes *l, const char *job);   // a preview has been shown; the next may come
int lanes_unfinished(struct lanes *l);               // jobs that wait or run

// Runs a reference's loader to preview its result; a newer request with the same id replaces a
// waiting one. Takes ownership of what `ref` holds.
void lanes_load(struct lanes *l, const char *id, struct job_reference *ref, int side);
void lanes_describe(struct lanes *l); // posts "described": devices, models
// State of all jobs of this process, for whoever connects: [{id, state, step, total, text}].
struct jv *lanes_jobs(struct lanes *l);

#endif

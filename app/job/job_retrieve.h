// SPDX-License-Identifier: MIT
// Retrieval-augmented drawing: an instruction gets references from an index (app/index/index.h).
// Its words choose; each thing that was found gets a marker before its words:
//
//     "a red fox on a hill"  ->  "a red [ref#1] fox on a hill"      [ref#1] "fox", a picture of one
//
// Words that have a reference already are left alone. Where each picture came from is in the
// reference (file, credit), is stored in the drawing, and is said in a notice; so is what was not
// found, which is drawn from the words alone.
#ifndef LIMN_APP_JOB_JOB_RETRIEVE_H
#define LIMN_APP_JOB_JOB_RETRIEVE_H

#include "app/index/index.h"
#include "app/job/job.h"

// Called with a notice, one sentence, on success too. May be NULL.
typedef void job_say(void *ctx, const char *text);

// Adds at most j->retrieve pictures of `x`, and clears j->retrieve.
bool job_retrieve(struct job *j, struct index *x, job_say *say, void *ctx, struct err *err);
// From the index that the job names, on the machine of the person who asks, whose file it is. A job
// that names none is left as it is, for job_retrieve_there().
bool job_retrieve_here(struct job *j, job_say *say, void *ctx, struct err *err);
// From the index of the job's model, on the machine that draws. Without one there is a notice, not
// an error.
bool job_retrieve_there(struct job *j, job_say *say, void *ctx, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Retrieval-augmented drawing: an instruction gets references from an index (app/index/index.h).
// The words of the instruction choose; each thing found gets a marker before its words:
//
//     "a red fox on a hill"  ->  "a red [ref#1] fox on a hill"      [ref#1] "fox", a picture of one
//
// Those words become the reference's own, and the reference stands for them (guidance.h, MARKERS).
// Words that have a reference already are left alone. The origin of each picture is kept in the
// reference (file, credit), stored in the drawing and reported in a notice. So is anything not
// found, which is drawn from the words alone.
#ifndef LIMN_APP_JOB_JOB_RETRIEVE_H
#define LIMN_APP_JOB_JOB_RETRIEVE_H

#include "app/index/index.h"
#include "app/job/job.h"

// Receives a notice of one sentence, on success too. May be NULL.
typedef void job_say(void *ctx, const char *text);

// Adds at most j->retrieve pictures of `x`, and clears j->retrieve.
bool job_retrieve(struct job *j, struct index *x, job_say *say, void *ctx, struct err *err);
// From the index that the job names, on the user's own machine, where that file is. A job that
// names none is left as it is, for job_retrieve_there().
bool job_retrieve_here(struct job *j, job_say *say, void *ctx, struct err *err);
// From the index of the job's model, on the machine that draws. Without one there is a notice, not
// an error.
bool job_retrieve_there(struct job *j, job_say *say, void *ctx, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Retrieval-augmented drawing: references of an instruction filled from an index
// (app/index/index.h). The words of the instruction choose; each thing that was found gets its
// marker before its words:
//
//     "a red fox on a hill"  ->  "a red [ref#1] fox on a hill"      [ref#1] "fox", a picture of one
//
// What a sentence says already beside a reference of its own is left alone. What came from where
// stands in the references (file, credit), goes into the picture with them, and is said as a
// notice; so is what was not found, which is drawn from the words.
#ifndef LIMN_APP_JOB_JOB_RETRIEVE_H
#define LIMN_APP_JOB_JOB_RETRIEVE_H

#include "app/index/index.h"
#include "app/job/job.h"

// What a person is to know, a sentence; also where all goes well. NULL: nobody listens.
typedef void job_say(void *ctx, const char *text);

// At most j->retrieve pictures of `x`; then nothing is left to retrieve.
bool job_retrieve(struct job *j, struct index *x, job_say *say, void *ctx, struct err *err);
// From the index that the job names, if it names one: on the machine of whoever asks, whose file it
// is. A job that names none keeps its wish for
bool job_retrieve_here(struct job *j, job_say *say, void *ctx, struct err *err);
// the machine that draws: from the index of its model. Without one there is a notice, no error.
bool job_retrieve_there(struct job *j, job_say *say, void *ctx, struct err *err);

#endif

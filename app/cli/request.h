// SPDX-License-Identifier: MIT
// The worker's side of a job: decodes its pictures and runs their loaders for the pipeline, and
// makes the text stored in the finished picture.
#ifndef LIMN_APP_CLI_REQUEST_H
#define LIMN_APP_CLI_REQUEST_H

#include "app/job/job.h"
#include "engine/draw/pipeline.h"
#include "loaders/host.h"
#include "renderer/image/image.h"

// Decodes the data of a reference, runs its loader (unless that has been done) and reduces the
// result to `side` pixels, with alpha if the picture has any. Errors begin with the reference's
// name. `stop` (may be NULL) ends a running loader: ERR_CANCELLED.
struct image *request_picture(const struct job_reference *ref, const struct loader_host *loaders,
                              int side, const atomic_int *stop, struct err *err);

// A job in the form a pipeline takes. Every picture of the job must have its data.
struct request {
    struct instruction instruction, negative; // `negative` is empty if nothing is to be avoided
    bool away;                                // `negative` is not empty
    struct image *start, *mask; // as decoded; NULL: none
    struct image *start_rgb, *start_alpha, *mask_rgb; // pixels that the pictures below borrow
    struct pipeline_picture start_picture, mask_picture; // the same for the pipeline
    struct pipeline_weight weights[LIMIT_INSTRUCTION_REFERENCES];
    int weight_count;
};

// Call request_finish() afterwards, after a failure too.
bool request_make(struct request *out, const struct job *j, const struct loader_host *loaders,
                  const atomic_int *stop, struct err *err);
void request_finish(struct request *r); // zeroed is fine
// The pipeline's request, which borrows from both. The caller sets callbacks and `cancel`.
struct pipeline_request request_pipeline(const struct request *r, const struct job *j);

// The job as JSON text for the PNG, with the model, device and parameters that the pipeline used.
// Freed with free().
struct request_made {
    const char *model, *model_hash, *device;
    struct job used; // its parameters as they were used; texts are borrowed
};
char *request_text(const struct job *j, const struct request *r, const struct request_made *made,
                   struct err *err);

#endif

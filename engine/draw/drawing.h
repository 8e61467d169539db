// SPDX-License-Identifier: MIT
// A request while it is being drawn. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_DRAWING_H
#define LIMN_ENGINE_DRAW_DRAWING_H

#include "engine/draw/pipeline_parts.h"
#include "engine/draw/pipeline_pass.h"
#include "engine/draw/start.h"

// A request with every default filled in.
struct drawing {
    struct pipeline *p;
    const struct pipeline_request *r;
    struct pipeline_result *result;
    const struct sampler *sampler;
    enum spacing spacing; // SPACING_NONE: the model's
    struct guidance guidance;
    int count, steps, super_steps; // super_steps 0: no second stage
    uint64_t seeds[LIMIT_JOB_PICTURES];
    struct port_set text, markers; // of the instruction; with retrieved references for their words
    struct port_set negative, away; // empty if nothing is to be avoided
    struct stage *references; // held; NULL: none
    struct references alone;  // instead, for families that draw any size
    struct pipeline_weight weights[LIMIT_INSTRUCTION_REFERENCES]; // in the references' order
    bool weighted; // some weight is not 1 in some step
    double strength;
    struct start first, last; // at the base's size, at the result's; empty: no start
    // Of the current pass, for progress.
    const struct pass *pass;
    int step_offset;
    struct picture_size now, base, final; // of the current pass, the base pass, the result
    bool apart;  // the second pass enlarges colours and alpha separately
    float *kept; // latents of an earlier, unfinished run; NULL: none
    double start;
    uint8_t *pixels;
};

static inline size_t
drawing_pixels(struct picture_size s)
{
    return (size_t)s.height * (size_t)s.width;
}

// The number of values in all pictures of a size.
static inline size_t
drawing_values(const struct drawing *d, struct picture_size s)
{
    return (size_t)d->count * drawing_pixels(s) * (size_t)d->p->info.channels;
}

// Fills in what the request leaves open, and begins the result. ERR_INPUT: no sampler, spacing or
// guidance has that name, or guidance does not use what is to be avoided.
bool drawing_settle(struct drawing *d, struct err *err);
// The first pass; the second starts from a copy of its settings.
struct pass drawing_base_pass(struct drawing *d);
// pass_run() from a start picture; NULL: from noise.
bool drawing_run_from(struct pass *pass, const struct start *from, float *x, struct err *err);
// Enlarges the base's pictures (N,s,s,C): x (N,S,S,C).
bool drawing_second_pass(struct drawing *d, const float *base, float *x, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Measures what a model draws for held-out examples. For comparison it also measures the true
// picture, a copied reference, and the mean picture of the training split, which need no model and
// show what a score is worth.
#ifndef LIMN_APP_EVAL_EVAL_H
#define LIMN_APP_EVAL_EVAL_H

#include <stdatomic.h>

#include "app/eval/measure.h"
#include "engine/base/jv.h"
#include "engine/train/tasks.h"

enum eval_measure {
    EVAL_EDGES = 0, // F1 of edges
    EVAL_AREAS,     // overlap of areas
    EVAL_STYLE,     // 1: the recogniser finds the true style
    EVAL_SUBJECT,   // 1: the true subject is among its best five
    EVAL_THUMBNAIL, // mean squared difference of thumbnails: less is better
    EVAL_ALPHA,     // overlap of alpha, for models that draw it
    EVAL_MEASURE_COUNT
};
extern const char *const eval_measure_names[EVAL_MEASURE_COUNT];

// What is measured: the true picture, a copied reference, the mean picture, the two models'
// drawings.
enum { EVAL_TRUTH = 0, EVAL_COPY, EVAL_MEAN, EVAL_MODEL, EVAL_OTHER, EVAL_WHO_COUNT };

struct eval_params {
    const char *models[2]; // folders; the second may be NULL
    const char *pack, *device;
    const struct jv *tasks; // the mixture
    const char *only;       // name of a task; NULL: all
    int examples;           // of a task
    int steps;           // 0: the model's own
    const char *sampler; // a sampler_choice(); NULL: the model's own
    double scale;        // of guidance; < 0: the model's own
    int seed;
    // Examples without references get up to this many pictures from the model's own index
    // (app/job/job_retrieve.h); 0: none. If not 0, call look_start() (loaders/look.h) first.
    int retrieve;
    enum pack_split split;
    void (*progress)(void *ctx, int done, int total); // may be NULL
    void *ctx;
    const atomic_int *cancel; // may be NULL
};

struct eval_task {
    char *name;
    int examples;
    int retrieved[2]; // how many of these each model drew with pictures from its index
    // Over the examples where a measure applies; n 0: none.
    struct measured of[EVAL_WHO_COUNT][EVAL_MEASURE_COUNT];
    // The second model's value minus the first's, paired by example.
    struct measured difference[EVAL_MEASURE_COUNT];
};

struct eval_report {
    struct eval_task *tasks;
    int count;
};

bool eval_run(const struct eval_params *p, struct eval_report *out, struct err *err);
void eval_finish(struct eval_report *r); // zeroed is fine
// Whether the second model is worse than the first by that measure in that task: the interval of
// the difference, widened 1.75 times because of the many comparisons, does not contain 0.
bool eval_is_worse(const struct eval_task *t, enum eval_measure m);

#endif

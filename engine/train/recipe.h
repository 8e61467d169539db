// SPDX-License-Identifier: MIT
// A training recipe: everything a run depends on besides its data. People write it as YAML; the
// program passes it as JSON. Unknown keys and values out of range are errors that name the key, so
// that a misspelt setting never silently falls back to its default.
#ifndef LIMN_ENGINE_TRAIN_RECIPE_H
#define LIMN_ENGINE_TRAIN_RECIPE_H

#include "engine/base/jv.h"
#include "engine/tensor/dtype.h"

enum lr_schedule {
    LR_NONE = 0,
    LR_CONSTANT,
    LR_COSINE, // to lr_final at `steps`
    LR_LINEAR, // constant until `decay_start`, then straight to lr_final at `steps`
    LR_COUNT
};

enum train_stage {
    TRAIN_STAGE_NONE = 0,
    TRAIN_PICTURES, // the denoiser, and the text encoder unless freeze_text
    TRAIN_WORDS,    // the text encoder and the thumbnail alone
    TRAIN_ENLARGER, // the second pass alone, on crops
    TRAIN_LORA,     // adapters of the denoiser's matrices (params_adapt()); weights frozen
    TRAIN_STAGE_COUNT
};

enum timestep_density {
    TIMESTEPS_NONE = 0,
    TIMESTEPS_UNIFORM,
    TIMESTEPS_LOGIT_NORMAL,
    TIMESTEPS_COUNT
};

struct recipe {
    char *model;     // folder to start from: configs, and weights if it has them
    char *tokenizer; // for tokenizer_open(); NULL: the model folder's
    char *pack;      // training data
    char *output;    // folder of the run: log, checkpoints, sheets, the exported model
    struct jv *tasks; // the mixture (engine/train/tasks.h); owned
    uint64_t seed;
    int64_t steps;      // optimiser steps
    int micro_batch;    // examples in one run of the graph
    int accumulate;     // micro-batches per optimiser step
    int text_tokens;      // of the instruction, padded
    int reference_tokens; // of a reference's own text
    enum dtype dtype;   // of activations; DTYPE_NONE: the fastest on the device
    double lr, lr_final, beta1, beta2, eps, weight_decay, clip;
    double text_lr; // of the text encoder, as a factor of lr
    int64_t warmup, decay_start;
    enum lr_schedule schedule;
    double ema;        // decay of the averaged weights; warmed up as min(ema, (1+t)/(10+t))
    double timestep_bias; // 0: uniform timesteps (paper); b: density (1+b) u^b, towards noise
    // Then, with TIMESTEPS_LOGIT_NORMAL, u becomes the logistic function of the u-quantile of a
    // normal distribution with this mean and deviation (Esser et al. 2024): more timesteps in the
    // middle.
    enum timestep_density timestep_density;
    double timestep_mean, timestep_deviation;
    double thumbnail_drop; // share of examples with references that get the empty text's thumbnail
    double snr_gamma;  // 0: plain L2; > 0: min-SNR weights with this gamma (objective.h)
    int64_t save_every, sheet_every, log_every; // steps; 0: never (log: 1)
    int checkpoint_activations; // 1 always, 0 never, -1 if memory is short
    bool freeze_text;           // the text encoder and the thumbnail are not trained
    enum train_stage stage;     // which parts are trained
    int crop;                   // pixels a side of the crops of stage `enlarger`
    // In that stage the small picture is noised to a uniformly drawn share of the schedule, up to
    // this.
    double low_noise;
    int lora_rank;              // of stage `lora`
    bool zero_shot;             // compound tasks are left out, for measuring (tasks.h)
};

// Whether the stage trains on whole pictures with their instructions.
static inline bool
recipe_of_pictures(const struct recipe *r)
{
    return r->stage == TRAIN_PICTURES || r->stage == TRAIN_LORA;
}

// Paths are stored unchanged. `name` (the file) starts errors. Does not keep `json`. On failure
// nothing is left to free.
bool recipe_read(struct recipe *r, const struct jv *json, const char *name, struct err *err);
void recipe_finish(struct recipe *r); // zeroed is fine

// Learning rate of optimiser step t, t >= 0.
double recipe_lr(const struct recipe *r, int64_t t);

// The quantile function of the timestep distribution: u in [0,1) to a place in the schedule, [0,1)
// from clean to noise.
double recipe_timestep(const struct recipe *r, double u);

#endif

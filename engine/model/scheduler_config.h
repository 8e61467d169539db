// SPDX-License-Identifier: MIT
// scheduler/scheduler_config.json of a model folder, in diffusers' spelling, as parameters of
// engine/diffusion's functions.
#ifndef LIMN_ENGINE_MODEL_SCHEDULER_CONFIG_H
#define LIMN_ENGINE_MODEL_SCHEDULER_CONFIG_H

#include "engine/base/jv.h"
#include "engine/diffusion/sampler.h"
#include "engine/diffusion/spacing.h"

struct scheduler_config {
    struct schedule_params schedule;
    enum prediction prediction;
    enum variance variance;
    enum threshold threshold;
    double threshold_max, threshold_quantile;
    enum spacing spacing, ends; // as in struct spacing_params
    int offset;
    double lambda_min;             // 0: none
    double shift;                  // of flow matching
    bool dynamic_shift;            // instead: the family computes it from the picture's size
    const struct sampler *sampler; // of _class_name; ddpm where it names none of ours
};

// Absent keys get diffusers' defaults. Options that would change the numbers and are not
// implemented (trained_betas, rescale_betas_zero_snr, other solver orders and schedules) are
// refused by name. `name` (the file) starts the error. ERR_INPUT.
bool scheduler_config_read(const struct jv *json, const char *name, struct scheduler_config *out,
                           struct err *err);

// The same from a file. Python writes an infinite lambda_min_clipped as a bare -Infinity, which is
// no JSON: it is read as null, no limit.
bool scheduler_config_load(const char *path, struct scheduler_config *out, struct err *err);

// The points that `steps` steps of a sampler visit; spacing: SPACING_NONE is the config's own;
// shift: of flow matching, 0 is the config's own. As spacing_points().
struct sampler_point *scheduler_config_points(const struct scheduler_config *c,
                                              const struct schedule *schedule,
                                              const struct sampler *sampler, enum spacing spacing,
                                              int steps, double shift, int *count,
                                              struct err *err);

#endif

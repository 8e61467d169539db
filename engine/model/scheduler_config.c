// SPDX-License-Identifier: MIT
#include "engine/model/scheduler_config.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

// Whether a class clips its estimates to [-1,1].
enum clips { CLIPS_NEVER, CLIPS_IF_SET, CLIPS_BY_DEFAULT };

// Unknown classes get the first row, since they differ only in the sampler.
static const struct class {
    const char *class_name, *sampler;
    enum spacing spacing; // the class's default
    enum clips clips;
    bool flow;            // flow matching: no betas, predicts velocity
    bool whole_range;     // its Karras and exponential curves span the whole schedule
    const char *betas;    // their schedule, if it is not linear
    double beta_start, beta_end; // if they are not 0.0001 and 0.02
} classes[] = {
    {"DDPMScheduler", "ddpm", SPACING_LEADING, CLIPS_BY_DEFAULT},
    {"DDIMScheduler", "ddim", SPACING_LEADING, CLIPS_BY_DEFAULT},
    {"DPMSolverMultistepScheduler", "dpm++", SPACING_LINSPACE, CLIPS_NEVER, .whole_range = true},
    {"UniPCMultistepScheduler", "unipc", SPACING_LINSPACE, CLIPS_NEVER, .whole_range = true},
    {"EulerDiscreteScheduler", "euler", SPACING_LINSPACE, CLIPS_NEVER},
    {"EulerAncestralDiscreteScheduler", "euler-a", SPACING_LINSPACE, CLIPS_NEVER},
    {"HeunDiscreteScheduler", "heun", SPACING_LINSPACE, CLIPS_IF_SET, .beta_start = 0.00085,
     .beta_end = 0.012},
    {"LCMScheduler", "lcm", SPACING_LEADING, CLIPS_IF_SET,
     .betas = "scaled_linear", .beta_start = 0.00085, .beta_end = 0.012},
    {"FlowMatchEulerDiscreteScheduler", "euler", SPACING_TRAILING, CLIPS_NEVER, .flow = true},
    {"FlowMatchHeunDiscreteScheduler", "heun", SPACING_TRAILING, CLIPS_NEVER, .flow = true},
};

// Options of diffusers that change the results and are not supported here.
static const char *const refused[] = {
    "rescale_betas_zero_snr", "use_beta_sigmas", "use_lu_lambdas",     "use_flow_sigmas",
    "invert_sigmas",          "stochastic_sampling",
};

// Options of which limn supports one value, which is also that of absent and null.
static const struct {
    const char *key, *only;
} words[] = {
    {"final_sigmas_type", "zero"},
    {"time_shift_type", "exponential"},
    {"timestep_type", "discrete"},
};

static const struct class *
find_class(const struct jv *json)
{
    const char *name = jv_string(jv_get(json, "_class_name"), "");
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (strcmp(classes[i].class_name, name) == 0)
            return &classes[i];
    return &classes[0];
}

static bool
check_refused(const struct jv *json, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (jv_bool(jv_get(json, refused[i]), false))
            return err_set(err, ERR_INPUT, "'%s' is not implemented", refused[i]);
    if (!jv_is_null(jv_get(json, "trained_betas")))
        return err_set(err, ERR_INPUT, "'trained_betas' is not implemented");
    if (jv_integer(jv_get(json, "solver_order"), 2) != 2)
        return err_set(err, ERR_INPUT, "'solver_order' must be 2");
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const char *word = jv_string(jv_get(json, words[i].key), words[i].only);
        if (strcmp(word, words[i].only) != 0)
            return err_set(err, ERR_INPUT, "'%s' must be %s, not %s", words[i].key, words[i].only,
                           word);
    }
    return true;
}

static bool
read_sampler(const struct jv *json, const struct class *class, struct scheduler_config *out,
             struct err *err)
{
    const char *algorithm = jv_string(jv_get(json, "algorithm_type"), "dpmsolver++");
    out->sampler = sampler_find(class->sampler);
    if (strcmp(class->sampler, "dpm++") == 0 && strcmp(algorithm, "sde-dpmsolver++") == 0)
        out->sampler = sampler_find("dpm++sde");
    else if (strcmp(algorithm, "dpmsolver++") != 0)
        return err_set(err, ERR_INPUT,
                       "'algorithm_type' must be dpmsolver++ or sde-dpmsolver++, not %s",
                       algorithm);
    const char *kind = strcmp(class->sampler, "unipc") == 0 ? "bh2" : "midpoint";
    const char *solver = jv_string(jv_get(json, "solver_type"), kind);
    if (strcmp(solver, kind) != 0)
        return err_set(err, ERR_INPUT, "'solver_type' must be %s, not %s", kind, solver);
    return true;
}

static bool
read_prediction(const struct jv *json, const struct class *class, struct scheduler_config *out,
                struct err *err)
{
    const char *fallback = class->flow ? "flow_prediction" : "epsilon";
    const char *prediction = jv_string(jv_get(json, "prediction_type"), fallback);
    out->prediction = prediction_from_name(prediction);
    if (out->prediction == PREDICTION_NONE ||
        (out->prediction == PREDICTION_VELOCITY) != class->flow)
        return err_set(err, ERR_INPUT, "unknown 'prediction_type' %s", prediction);
    const char *variance = jv_string(jv_get(json, "variance_type"), "fixed_small");
    out->variance = variance_from_name(variance);
    if (out->variance == VARIANCE_COUNT)
        return err_set(err, ERR_INPUT, "unknown 'variance_type' %s", variance);
    return true;
}

static bool
read_schedule(const struct jv *json, const struct class *class, struct scheduler_config *out,
              struct err *err)
{
    const char *fallback = class->betas ? class->betas : "linear";
    const char *kind = jv_string(jv_get(json, "beta_schedule"), fallback);
    out->schedule.kind = class->flow ? SCHEDULE_FLOW : schedule_kind_from_name(kind);
    if (out->schedule.kind == SCHEDULE_NONE ||
        (out->schedule.kind == SCHEDULE_FLOW && !class->flow))
        return err_set(err, ERR_INPUT, "unknown 'beta_schedule' %s", kind);
    out->spacing = class->spacing;
    const struct jv *spacing = jv_get(json, "timestep_spacing");
    if (!jv_is_null(spacing)) {
        out->spacing = spacing_from_name(jv_string(spacing, ""));
        if (out->spacing == SPACING_NONE || out->spacing > SPACING_LINSPACE)
            return err_set(err, ERR_INPUT, "unknown 'timestep_spacing' %s",
                           jv_string(spacing, "(not a text)"));
    }
    out->ends = class->whole_range ? SPACING_LINSPACE : out->spacing;
    if (jv_bool(jv_get(json, "use_karras_sigmas"), false))
        out->spacing = SPACING_KARRAS;
    else if (jv_bool(jv_get(json, "use_exponential_sigmas"), false))
        out->spacing = SPACING_EXPONENTIAL;
    return true;
}

static bool
read_number(const struct jv *json, const char *key, double fallback, double min, double max,
            double *out, struct err *err)
{
    *out = jv_number(jv_get(json, key), fallback);
    if (!(*out >= min && *out <= max))
        return err_set(err, ERR_INPUT, "'%s' is %g, outside %g to %g", key, *out, min, max);
    return true;
}

bool
scheduler_config_read(const struct jv *json, const char *name, struct scheduler_config *out,
                      struct err *err)
{
    struct scheduler_config c = {0};
    const struct class *class = find_class(json);
    double beta_start = class->beta_start > 0 ? class->beta_start : 0.0001;
    double beta_end = class->beta_end > 0 ? class->beta_end : 0.02;
    double steps, offset, clip, ratio, sample_max;
    bool ok = jv_is_object(json) || err_set(err, ERR_INPUT, "not a JSON object");
    ok = ok && check_refused(json, err) && read_sampler(json, class, &c, err) &&
         read_prediction(json, class, &c, err) && read_schedule(json, class, &c, err) &&
         read_number(json, "num_train_timesteps", 1000, 1, 100000, &steps, err) &&
         read_number(json, "steps_offset", 0, 0, 1000, &offset, err) &&
         read_number(json, "shift", 1, 1e-6, 1e6, &c.shift, err) &&
         read_number(json, "beta_start", beta_start, 1e-12, 1, &c.schedule.beta_start, err) &&
         read_number(json, "beta_end", beta_end, 1e-12, 1, &c.schedule.beta_end, err) &&
         read_number(json, "clip_sample_range", 1, 1e-6, 1e6, &clip, err) &&
         read_number(json, "dynamic_thresholding_ratio", 0.995, 1e-6, 1, &ratio, err) &&
         read_number(json, "sample_max_value", 1, 1e-6, 1e6, &sample_max, err);
    if (!ok)
        return err_prefix(err, "%s", name);
    c.schedule.train_steps = (int)steps;
    c.offset = (int)offset;
    c.dynamic_shift = class->flow && jv_bool(jv_get(json, "use_dynamic_shifting"), false);
    // Absent and null both mean minus infinity: no limit.
    c.lambda_min = jv_number(jv_get(json, "lambda_min_clipped"), 0);
    bool clips = class->clips != CLIPS_NEVER &&
                 jv_bool(jv_get(json, "clip_sample"), class->clips == CLIPS_BY_DEFAULT);
    if (jv_bool(jv_get(json, "thresholding"), false)) {
        c.threshold = THRESHOLD_DYNAMIC;
        c.threshold_max = sample_max;
        c.threshold_quantile = ratio;
    } else if (clips) {
        c.threshold = THRESHOLD_CLIP;
        c.threshold_max = clip;
    }
    *out = c;
    return true;
}

// Overwrites the value -Infinity of a key with null and spaces, of the same length.
static void
replace_infinity(char *text)
{
    static const char infinity[] = ": -Infinity", null[] = ": null     ";
    _Static_assert(sizeof infinity == sizeof null, "replaced in place");
    for (char *at = text; (at = strstr(at, infinity)) != NULL; at += sizeof null - 1)
        memcpy(at, null, sizeof null - 1);
}

bool
scheduler_config_load(const char *path, struct scheduler_config *out, struct err *err)
{
    size_t size;
    char *text = file_read(path, LIMIT_SCHEDULER_CONFIG_BYTES, &size, err);
    if (text == NULL)
        return false;
    replace_infinity(text);
    struct jv *json = jv_parse(text, size, path, err);
    bool ok = json != NULL && scheduler_config_read(json, path, out, err);
    jv_free(json);
    free(text);
    return ok;
}

struct sampler_point *
scheduler_config_points(const struct scheduler_config *c, const struct schedule *schedule,
                        const struct sampler *sampler, enum spacing spacing, int steps,
                        double shift, int *count, struct err *err)
{
    struct spacing_params p = {.count = steps,
                               .spacing = spacing == SPACING_NONE ? c->spacing : spacing,
                               .ends = c->ends,
                               .offset = c->offset,
                               .extra_point = sampler->extra_point,
                               .lambda_min = c->lambda_min,
                               .shift = shift > 0 ? shift : c->shift};
    return spacing_points(schedule, &p, count, err);
}

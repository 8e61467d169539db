// SPDX-License-Identifier: MIT
#include "engine/diffusion/scheduler_config.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

// The first row is what an unknown class gets: other classes differ in the sampler only.
static const struct {
    const char *class_name, *sampler;
    enum spacing spacing; // the class's default
} classes[] = {
    {"DDPMScheduler", "ddpm", SPACING_LEADING},
    {"DDIMScheduler", "ddim", SPACING_LEADING},
    {"DPMSolverMultistepScheduler", "dpm++", SPACING_LINSPACE},
};

// Switches of diffusers that change the numbers and have no counterpart here.
static const char *const refused[] = {
    "rescale_betas_zero_snr", "use_karras_sigmas",   "use_exponential_sigmas", "use_beta_sigmas",
    "use_lu_lambdas",         "use_flow_sigmas",
};

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
    const char *algorithm = jv_string(jv_get(json, "algorithm_type"), "dpmsolver++");
    if (strcmp(algorithm, "dpmsolver++") != 0)
        return err_set(err, ERR_INPUT, "'algorithm_type' must be dpmsolver++, not %s", algorithm);
    return true;
}

static bool
read_names(const struct jv *json, struct scheduler_config *out, struct err *err)
{
    const char *kind = jv_string(jv_get(json, "beta_schedule"), "linear");
    out->schedule.kind = schedule_kind_from_name(kind);
    if (out->schedule.kind == SCHEDULE_NONE)
        return err_set(err, ERR_INPUT, "unknown 'beta_schedule' %s", kind);
    const char *prediction = jv_string(jv_get(json, "prediction_type"), "epsilon");
    out->prediction = prediction_from_name(prediction);
    if (out->prediction == PREDICTION_NONE)
        return err_set(err, ERR_INPUT, "unknown 'prediction_type' %s", prediction);
    const char *variance = jv_string(jv_get(json, "variance_type"), "fixed_small");
    out->variance = variance_from_name(variance);
    if (out->variance == VARIANCE_COUNT)
        return err_set(err, ERR_INPUT, "unknown 'variance_type' %s", variance);
    const struct jv *spacing = jv_get(json, "timestep_spacing");
    if (!jv_is_null(spacing)) {
        out->spacing = spacing_from_name(jv_string(spacing, ""));
        if (out->spacing == SPACING_NONE)
            return err_set(err, ERR_INPUT, "unknown 'timestep_spacing' %s",
                           jv_string(spacing, "(not a text)"));
    }
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
    size_t row = 0;
    const char *class_name = jv_string(jv_get(json, "_class_name"), classes[0].class_name);
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (strcmp(classes[i].class_name, class_name) == 0)
            row = i;
    c.sampler = sampler_find(classes[row].sampler);
    c.spacing = classes[row].spacing;
    double steps, offset, clip, ratio, sample_max;
    bool ok = jv_is_object(json) || err_set(err, ERR_INPUT, "not a JSON object");
    ok = ok && check_refused(json, err) && read_names(json, &c, err) &&
         read_number(json, "num_train_timesteps", 1000, 1, 100000, &steps, err) &&
         read_number(json, "steps_offset", 0, 0, 1000, &offset, err) &&
         read_number(json, "beta_start", 0.0001, 1e-12, 1, &c.schedule.beta_start, err) &&
         read_number(json, "beta_end", 0.02, 1e-12, 1, &c.schedule.beta_end, err) &&
         read_number(json, "clip_sample_range", 1, 1e-6, 1e6, &clip, err) &&
         read_number(json, "dynamic_thresholding_ratio", 0.995, 1e-6, 1, &ratio, err) &&
         read_number(json, "sample_max_value", 1, 1e-6, 1e6, &sample_max, err);
    if (!ok)
        return err_prefix(err, "%s", name);
    c.schedule.train_steps = (int)steps;
    c.offset = (int)offset;
    // Absent and null both mean minus infinity: no limit.
    c.lambda_min = jv_number(jv_get(json, "lambda_min_clipped"), 0);
    // DPM-Solver has no static clipping; the others clip unless told not to.
    bool clips =
        strcmp(c.sampler->name, "dpm++") != 0 && jv_bool(jv_get(json, "clip_sample"), true);
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

// SPDX-License-Identifier: MIT
#include "engine/draw/pipeline_defaults.h"

#include <string.h>

#include "engine/base/mem.h"

static bool
number(const struct model_folder *m, const char *key, double fallback, double low, double high,
       double *out, struct err *err)
{
    const struct jv *v = jv_get(jv_get(m->index, "limn"), key);
    *out = jv_number(v, fallback);
    if ((!v || jv_is_number(v)) && *out >= low && *out <= high)
        return true;
    return err_set(err, ERR_INPUT, "%s/model_index.json: limn.%s must be a number from %g to %g",
                   m->path, key, low, high);
}

bool
pipeline_defaults_read(struct pipeline_defaults *d, const struct model_folder *m, struct err *err)
{
    static const char *const known[] = {"steps",       "super_steps", "sampler",
                                        "guidance",    "scale",       "context_scale",
                                        "super_scale", "super_noise_level", "retrieved_words"};
    const struct jv *own = jv_get(m->index, "limn");
    if (own && !jv_is_object(own))
        return err_set(err, ERR_INPUT, "%s/model_index.json: limn must be a table of defaults",
                       m->path);
    for (size_t i = 0; i < jv_size(own); i++) {
        size_t k = 0;
        while (k < COUNT_OF(known) && strcmp(known[k], jv_key_at(own, i)) != 0)
            k++;
        if (k == COUNT_OF(known))
            return err_set(err, ERR_INPUT, "%s/model_index.json: unknown key limn.%s", m->path,
                           jv_key_at(own, i));
    }
    const struct family_defaults f = m->family->defaults(m->index);
    d->no_guidance = f.no_guidance;
    double steps, super_steps;
    const char *sampler = jv_string(jv_get(own, "sampler"), m->scheduler.sampler->name);
    const char *guidance = jv_string(jv_get(own, "guidance"), "cfg");
    d->sampler = sampler_find(sampler);
    d->guidance = guidance_from_name(guidance);
    if (!d->sampler)
        return err_set(err, ERR_INPUT, "%s/model_index.json: no sampler is called '%s'", m->path,
                       sampler);
    if (d->guidance == GUIDANCE_KIND_COUNT)
        return err_set(err, ERR_INPUT, "%s/model_index.json: no guidance is called '%s'", m->path,
                       guidance);
    if (!number(m, "steps", f.steps, 1, 1000, &steps, err) ||
        !number(m, "super_steps", MAX(f.super_steps, 1), 1, 1000, &super_steps, err) ||
        !number(m, "scale", f.scale, 0, 1000, &d->scale, err) ||
        !number(m, "context_scale", d->scale, 0, 1000, &d->context_scale, err) ||
        !number(m, "super_scale", f.super_scale, 0, 1000, &d->super_scale, err) ||
        !number(m, "super_noise_level", f.super_noise_level, 0, 999, &d->super_noise_level, err) ||
        !number(m, "retrieved_words", 1000, 0, 1000, &d->retrieved_words, err))
        return false;
    d->steps = (int)steps;
    d->super_steps = (int)super_steps;
    return true;
}

// SPDX-License-Identifier: MIT
// The super-resolution pass, which enlarges the base pass's pictures.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/draw/alpha.h"
#include "engine/draw/drawing.h"

#define OTHER_NOISE 0x9E3779B97F4A7C15u // gives the second pass other seeds than the base's

static struct pass
second_pass(struct drawing *d, uint64_t seeds[2 * LIMIT_JOB_PICTURES])
{
    struct pass pass = drawing_base_pass(d);
    pass.batch = d->apart ? 2 * d->count : d->count;
    for (int i = 0; i < pass.batch; i++)
        seeds[i] = d->seeds[i % d->count] ^ OTHER_NOISE;
    pass.part = d->p->folder->family->enlarger;
    pass.scheduler = &d->p->folder->super_scheduler;
    pass.spacing = SPACING_NONE; // its own scheduler's
    pass.steps = d->super_steps;
    pass.guidance = (struct guidance){.kind = GUIDANCE_KIND_CFG,
                                      .scale = d->p->defaults.super_scale};
    pass.seeds = seeds;
    pass.weights = NULL;
    pass.away = NULL;
    pass.strength = 1;
    pass.noise_level = d->p->defaults.super_noise_level;
    pass.variation_seed ^= OTHER_NOISE;
    return pass;
}

// base (N,s,s,C) -> x (N,S,S,C), for a second pass that draws C channels
static bool
enlarge(struct drawing *d, struct pass *pass, const float *base, float *x, struct err *err)
{
    struct latent l = d->p->folder->family->latent(&d->p->folder->parts, pass->part, d->final);
    size_t n = (size_t)pass->batch * drawing_pixels(d->final) * (size_t)l.channels;
    const struct start *from = d->last.mask && !d->apart ? &d->last : NULL;
    float *low = mem_try_calloc(n, sizeof *low, "pictures", err);
    pass->low = low;
    bool ok = low &&
              pass_low_resolution(pass, base, d->p->info.size, pass->noise_level, low, err) &&
              drawing_run_from(pass, from, x, err) && pass_decode(pass, x, x, err);
    free(low);
    return ok;
}

// The same for a pass that draws opaque pictures: colours and alpha are enlarged as two pictures,
// with the same noise, so that their outlines agree.
static bool
enlarge_apart(struct drawing *d, struct pass *pass, const float *base, float *x, struct err *err)
{
    size_t small = (size_t)d->count * drawing_pixels(d->base);
    size_t large = (size_t)d->count * drawing_pixels(d->final);
    float *parts = mem_try_calloc(6 * small, sizeof *parts, "pictures", err);
    float *whole = parts ? mem_try_calloc(6 * large, sizeof *whole, "pictures", err) : NULL;
    bool ok = whole != NULL;
    if (ok) {
        alpha_part(base, small, parts, parts + 3 * small);
        ok = enlarge(d, pass, parts, whole, err);
    }
    if (ok)
        alpha_join(whole, whole + 3 * large, large, x);
    free(parts);
    free(whole);
    return ok;
}

bool
drawing_second_pass(struct drawing *d, const float *base, float *x, struct err *err)
{
    uint64_t seeds[2 * LIMIT_JOB_PICTURES];
    stage_release(d->references); // the base model may make room
    d->references = NULL;
    const struct family *f = d->p->folder->family;
    int drawn = f->latent(&d->p->folder->parts, f->enlarger, d->final).channels;
    d->apart = drawn == 3 && d->p->info.channels == 4;
    struct pass pass = second_pass(d, seeds);
    d->step_offset = d->steps;
    d->now = d->final;
    d->pass = &pass;
    return d->apart ? enlarge_apart(d, &pass, base, x, err) : enlarge(d, &pass, base, x, err);
}

// SPDX-License-Identifier: MIT
// Combines a request with the model's defaults into complete settings.
#include <stdio.h>

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/draw/drawing.h"
#include "engine/draw/pipeline_check.h"

// Each reference's own weight; 1 in all steps unless set.
static void
settle_weights(struct drawing *d)
{
    const struct instruction *n = d->r->instruction;
    for (int i = 0; i < n->reference_count; i++) {
        struct pipeline_weight *w = &d->weights[i];
        *w = (struct pipeline_weight){n->references[i].marker, 1, 0, 1};
        for (int k = 0; k < d->r->weight_count; k++)
            if (d->r->weights[k].marker == w->marker)
                *w = d->r->weights[k];
        d->weighted = d->weighted || w->weight != 1 || w->from > 0 || w->to < 1;
    }
}

// What the request leaves open comes from the model's defaults.
static void
settle_guidance(struct drawing *d)
{
    const struct pipeline_request *r = d->r;
    const struct pipeline_defaults *def = &d->p->defaults;
    struct guidance *g = &d->guidance;
    g->kind = r->guidance ? guidance_from_name(r->guidance) : def->guidance;
    g->scale = r->scale < 0 ? def->scale : r->scale;
    g->context_scale = r->context_scale < 0 ? def->context_scale : r->context_scale;
    g->has_context = r->instruction->reference_count > 0;
    // Families that name pictures by words have no use for a sentence without its subject.
    g->by_markers = !d->p->folder->family->marker_word && instruction_is_retrieved(r->instruction);
    g->words = def->retrieved_words;
    if (!def->no_guidance || g->kind == GUIDANCE_KIND_NONE)
        return;
    if (r->scale > 1)
        log_line(LOG_NOTICE, "model", "%s uses no guidance: a scale of %g has no effect",
                 d->p->info.name, r->scale);
    g->kind = GUIDANCE_KIND_NONE;
}

static bool
check_names(const struct drawing *d, struct err *err)
{
    const struct pipeline_request *r = d->r;
    if (!d->sampler)
        return err_set(err, ERR_INPUT, "no sampler is called '%s'", r->sampler);
    if (r->spacing && d->spacing == SPACING_NONE)
        return err_set(err, ERR_INPUT, "no spacing is called '%s'", r->spacing);
    return d->guidance.kind != GUIDANCE_KIND_COUNT ||
           err_set(err, ERR_INPUT, "no guidance is called '%s'", r->guidance);
}

// Things to avoid need a guidance branch.
static bool
check_negative(const struct drawing *d, struct err *err)
{
    const struct instruction *away = d->r->negative;
    const struct guidance *g = &d->guidance;
    unsigned uses = 1u << GUIDANCE_UNCOND;
    if (!away)
        return true;
    if (!away->reference_count)
        uses |= 1u << GUIDANCE_NO_TEXT;
    return guidance_mask(g, d->steps, NULL) & uses ||
           err_set(err, ERR_INPUT, "a negative %s needs guidance: %s with a scale of %g does not "
                   "use it", away->reference_count ? "picture" : "text", guidance_name(g->kind),
                   g->scale);
}

static void
settle_sizes(struct drawing *d)
{
    const struct pipeline_request *r = d->r;
    const struct pipeline_info *info = &d->p->info;
    d->strength = !r->start ? 1 : r->strength >= 0 ? r->strength : r->mask ? 1 : 0.75;
    d->final = pipeline_picture_size(info, r);
    d->base = info->grain ? d->final : (struct picture_size){info->size, info->size};
    // Few steps mean that the user wants a quick result.
    d->super_steps = d->final.width > d->base.width ? MIN(d->p->defaults.super_steps, d->steps) : 0;
    for (int i = 0; i < d->count; i++)
        d->seeds[i] = r->seed + (uint64_t)i;
}

static void
begin_result(const struct drawing *d)
{
    struct pipeline_result *out = d->result;
    const struct guidance *g = &d->guidance;
    enum spacing spacing = d->spacing ? d->spacing : d->p->folder->scheduler.spacing;
    *out = (struct pipeline_result){.pictures = {d->count, d->final.width, d->final.height,
                                                 d->p->info.channels, NULL},
                                    .steps = d->steps, .scale = g->scale,
                                    .context_scale = g->context_scale};
    snprintf(out->sampler, sizeof out->sampler, "%s", d->sampler->name);
    snprintf(out->spacing, sizeof out->spacing, "%s", spacing_name(spacing));
    snprintf(out->guidance, sizeof out->guidance, "%s", guidance_name(g->kind));
}

bool
drawing_settle(struct drawing *d, struct err *err)
{
    const struct pipeline_request *r = d->r;
    const struct pipeline_defaults *def = &d->p->defaults;
    d->count = r->count ? r->count : 1;
    d->steps = r->steps ? r->steps : def->steps;
    d->sampler = r->sampler ? sampler_find(r->sampler) : def->sampler;
    d->spacing = spacing_from_name(r->spacing);
    if (d->p->info.grain && !def->no_guidance && r->steps > 0 && r->steps * 5 <= def->steps)
        log_line(LOG_NOTICE, "model",
                 "%s is a base model, made for about %d steps: with %d the picture will be rough",
                 d->p->info.name, def->steps, r->steps);
    settle_guidance(d);
    if (!check_names(d, err) || !check_negative(d, err))
        return false;
    settle_weights(d);
    settle_sizes(d);
    begin_result(d);
    return true;
}

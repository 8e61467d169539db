// SPDX-License-Identifier: MIT
#include "engine/diffusion/guidance.h"

#include <string.h>

#include "engine/base/require.h"

static const struct choice kinds[GUIDANCE_KIND_COUNT] = {
    [GUIDANCE_KIND_NONE] = {"none", "the model's prediction as it is"},
    [GUIDANCE_KIND_CFG] = {"cfg", "strengthens text and references together in every step"},
    [GUIDANCE_KIND_OSCILLATING] = {"oscillating", "cfg in every other step, none in between"},
    [GUIDANCE_KIND_SEPARATE] = {"separate", "separate strengths for text and references"},
    [GUIDANCE_KIND_INTERLEAVED] = {"interleaved",
                                   "strengthens the text and the references in turn"},
};

const char *
guidance_name(enum guidance_kind kind)
{
    require(kind >= 0 && kind < GUIDANCE_KIND_COUNT);
    return kinds[kind].name;
}

bool
guidance_choice(size_t i, struct choice *out)
{
    if (i >= GUIDANCE_KIND_COUNT)
        return false;
    *out = kinds[i];
    return true;
}

enum guidance_kind
guidance_from_name(const char *name)
{
    int i = 0;
    while (i < GUIDANCE_KIND_COUNT && (name == NULL || strcmp(kinds[i].name, name) != 0))
        i++;
    return (enum guidance_kind)i;
}

struct guidance_plan
guidance_plan(const struct guidance *g, int step)
{
    require(step >= 0);
    double w = g->scale, c = g->context_scale;
    double full = 1, no_context = 0, no_text = 0, uncond = 0;
    switch (g->kind) {
    case GUIDANCE_KIND_NONE:
        break;
    case GUIDANCE_KIND_CFG:
        full = w;
        uncond = 1 - w;
        break;
    case GUIDANCE_KIND_OSCILLATING:
        if (step % 2 == 0) {
            full = w;
            uncond = 1 - w;
        }
        break;
    case GUIDANCE_KIND_SEPARATE:
        full = c;
        no_context = w - c;
        uncond = 1 - w;
        break;
    case GUIDANCE_KIND_INTERLEAVED:
        if (step % 2 == 0) {
            full = w;
            no_text = 1 - w;
        } else {
            full = c;
            no_context = 1 - c;
        }
        break;
    case GUIDANCE_KIND_COUNT:
        unreachable_here();
    }
    if (!g->has_context) {
        full += no_context;
        uncond += no_text;
        no_context = no_text = 0;
    }
    double words = g->has_context && g->by_markers && full > g->words ? g->words : full;
    struct guidance_plan plan = {.weight = {[GUIDANCE_FULL] = words,
                                            [GUIDANCE_MARKERS] = full - words,
                                            [GUIDANCE_NO_CONTEXT] = no_context,
                                            [GUIDANCE_NO_TEXT] = no_text,
                                            [GUIDANCE_UNCOND] = uncond}};
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++) {
        if (plan.weight[b] != 0) {
            plan.mask |= 1u << b;
            plan.count++;
        }
    }
    return plan;
}

unsigned
guidance_mask(const struct guidance *g, int steps, int *max_count)
{
    unsigned mask = 0;
    int most = 0;
    for (int step = 0; step < steps; step++) {
        struct guidance_plan plan = guidance_plan(g, step);
        mask |= plan.mask;
        most = plan.count > most ? plan.count : most;
    }
    if (max_count != NULL)
        *max_count = most;
    return mask;
}

void
guidance_combine(const struct guidance_plan *plan,
                 const float *const branch[GUIDANCE_BRANCH_COUNT], size_t pixels, int channels,
                 int model_channels, float *out)
{
    require(plan->count > 0 && channels > 0 && model_channels >= channels);
    const float *source[GUIDANCE_BRANCH_COUNT];
    double weight[GUIDANCE_BRANCH_COUNT];
    int n = 0;
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++) {
        if (plan->mask & 1u << b) {
            source[n] = branch[b];
            weight[n++] = plan->weight[b];
        }
    }
    for (size_t p = 0; p < pixels; p++) {
        for (int c = 0; c < channels; c++) {
            size_t i = p * (size_t)model_channels + (size_t)c;
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += weight[k] * source[k][i];
            out[i] = (float)sum;
        }
        // Branch order puts FULL first. Each element is read before it is written, so that `out`
        // may be any of the branches.
        for (int c = channels; c < model_channels; c++) {
            size_t i = p * (size_t)model_channels + (size_t)c;
            out[i] = source[0][i];
        }
    }
}

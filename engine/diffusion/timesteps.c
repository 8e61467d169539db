// SPDX-License-Identifier: MIT
// Which of the training timesteps a sampler visits: even spacings as diffusers defines them (rint()
// is numpy's round: halves go to the even side), and the sections of IF's respacing.
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/diffusion/schedule.h"

enum { SECTIONS_MAX = 64 };

static const char *const spacing_names[SPACING_COUNT] = {
    [SPACING_NONE] = "none",
    [SPACING_LEADING] = "leading",
    [SPACING_TRAILING] = "trailing",
    [SPACING_LINSPACE] = "linspace",
};

// Published with IF's code; counts go from the clean end to the noisy end.
static const struct {
    const char *name, *counts;
} respacings[] = {
    {"fast27", "10,10,3,2,2"},
    {"smart27", "7,4,2,1,2,4,7"},
    {"smart50", "10,6,4,3,2,2,3,4,6,10"},
    {"smart100", "1,1,1,1,2,2,2,2,2,2,3,3,4,4,5,5,6,7,7,8,9,10,13"},
    {"smart185", "1,1,2,2,2,3,3,3,4,5,6,7,8,9,10,11,12,13,14,15,16,18,20"},
    {"super27", "1,1,1,1,1,1,1,2,5,13"},
    {"super40", "2,2,2,2,2,2,3,4,6,15"},
    {"super100", "4,4,6,6,8,8,10,10,14,30"},
};

enum spacing
spacing_from_name(const char *name)
{
    for (int i = 1; name != NULL && i < SPACING_COUNT; i++)
        if (strcmp(spacing_names[i], name) == 0)
            return (enum spacing)i;
    return SPACING_NONE;
}

const char *
spacing_name(enum spacing s)
{
    require(s >= 0 && s < SPACING_COUNT);
    return spacing_names[s];
}

static bool
parse_sections(const char *text, int *counts, int *section_count, struct err *err)
{
    const char *list = text;
    for (size_t i = 0; i < COUNT_OF(respacings); i++)
        if (strcmp(respacings[i].name, text) == 0)
            list = respacings[i].counts;
    int n = 0;
    for (const char *at = list;; at++) {
        char *end;
        long value = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : 0;
        if (value < 1 || value > 100000 || n == SECTIONS_MAX || (*end != ',' && *end != '\0'))
            return err_set(err, ERR_INPUT,
                           "'%s' is neither the name of a respacing nor a list of up to %d "
                           "positive numbers such as 10,6,4",
                           text, SECTIONS_MAX);
        counts[n++] = (int)value;
        if (*end == '\0')
            break;
        at = end;
    }
    *section_count = n;
    return true;
}

// Each section gets its steps evenly, first and last step of the section among them; a section of
// one step gets its first. Written from the noisy end, since timesteps descend.
static int *
respaced(int train_steps, const char *sections, int *count, struct err *err)
{
    int counts[SECTIONS_MAX], n = 0;
    if (!parse_sections(sections, counts, &n, err))
        return NULL;
    int64_t total = 0;
    for (int i = 0; i < n; i++) {
        int size = train_steps / n + (i < train_steps % n ? 1 : 0);
        if (counts[i] > size) {
            err_set(err, ERR_INPUT, "respacing '%s': section %d has %d training steps, not %d",
                    sections, i + 1, size, counts[i]);
            return NULL;
        }
        total += counts[i];
    }
    int *out = mem_alloc((size_t)total * sizeof *out);
    int first = 0, at = (int)total;
    for (int i = 0; i < n; i++) {
        int size = train_steps / n + (i < train_steps % n ? 1 : 0);
        double stride = counts[i] > 1 ? (size - 1.0) / (counts[i] - 1) : 0;
        double place = 0; // summed up, not k*stride: the published lists round that sum
        for (int k = 0; k < counts[i]; k++, place += stride)
            out[--at] = first + (int)rint(place);
        first += size;
    }
    *count = (int)total;
    return out;
}

// The number of timesteps whose lambda is not below the limit: lambda falls with t.
static int
usable_steps(const struct schedule *s, double lambda_min)
{
    int last = schedule_train_steps(s);
    while (lambda_min != 0 && last > 1 && schedule_lambda(s, last - 1) < lambda_min)
        last--;
    return last;
}

// Element i of the spacing, i in [0,points), ascending for leading and linspace (i = 0 is t = 0).
static int *
even(const struct schedule *s, const struct timesteps_params *p, int *count, struct err *err)
{
    int train_steps = schedule_train_steps(s);
    int usable = p->extra_point ? usable_steps(s, p->lambda_min) : train_steps;
    int n = p->count, points = n + (p->extra_point ? 1 : 0);
    int skip = points - n; // the cleanest point is left out
    int *out = mem_alloc((size_t)n * sizeof *out);
    int made = 0;
    switch (p->spacing) {
    case SPACING_LEADING:
        for (int i = points - 1; i >= skip; i--)
            out[made++] = i * (usable / points) + p->offset;
        break;
    case SPACING_NONE:
    case SPACING_TRAILING:
        for (int i = 0; i < n; i++) {
            double t = usable - i * ((double)train_steps / n);
            if (t > 0)
                out[made++] = MAX((int)rint(t) - 1, 0);
        }
        break;
    case SPACING_LINSPACE:
        for (int i = points - 1; i >= skip; i--)
            out[made++] = points > 1 ? (int)rint(i * ((usable - 1.0) / (points - 1))) : 0;
        break;
    case SPACING_COUNT:
        unreachable_here();
    }
    for (int i = 0; i < made; i++) {
        if (out[i] < 0 || out[i] >= train_steps || (i > 0 && out[i] >= out[i - 1])) {
            err_set(err, ERR_INPUT, "%d steps, spacing %s, offset %d do not fit %d timesteps", n,
                    spacing_names[p->spacing], p->offset, usable);
            free(out);
            return NULL;
        }
    }
    *count = made;
    return out;
}

int *
schedule_timesteps(const struct schedule *s, const struct timesteps_params *params, int *count,
                   struct err *err)
{
    int train_steps = schedule_train_steps(s);
    if (params->sections != NULL)
        return respaced(train_steps, params->sections, count, err);
    if (params->count < 1 || params->count > train_steps) {
        err_set(err, ERR_INPUT, "the number of steps is 1 to %d, not %d", train_steps,
                params->count);
        return NULL;
    }
    return even(s, params, count, err);
}

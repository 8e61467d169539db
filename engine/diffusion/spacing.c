// SPDX-License-Identifier: MIT
// Even spacings as diffusers defines them (rint() is numpy's round: halves go to the even side),
// the sections of IF's respacing, and curves through the ratio of noise to picture.
#include "engine/diffusion/spacing.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"

enum { SECTIONS_MAX = 64 };

static const double KARRAS_RHO = 7;

static const struct choice spacings[SPACING_COUNT] = {
    [SPACING_NONE] = {"none", ""},
    [SPACING_LEADING] = {"leading", "even steps from the clean end"},
    [SPACING_TRAILING] = {"trailing", "even steps from pure noise"},
    [SPACING_LINSPACE] = {"linspace", "even steps with both ends"},
    [SPACING_KARRAS] = {"karras", "more steps where the picture is nearly clean"},
    [SPACING_EXPONENTIAL] = {"exponential", "each step removes the same share of the noise"},
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
        if (strcmp(spacings[i].name, name) == 0)
            return (enum spacing)i;
    return SPACING_NONE;
}

const char *
spacing_name(enum spacing s)
{
    require(s >= 0 && s < SPACING_COUNT);
    return spacings[s].name;
}

bool
spacing_choice(size_t i, struct choice *out)
{
    if (i + 1 >= SPACING_COUNT)
        return false;
    *out = spacings[i + 1];
    return true;
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

// The steps of each section are spread evenly, including its first and last; a section of one step
// gets its first. Written from the noisy end, as the points are ordered.
static struct sampler_point *
respaced(const struct schedule *s, const char *sections, int *count, struct err *err)
{
    int counts[SECTIONS_MAX], n = 0, train_steps = schedule_train_steps(s);
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
    struct sampler_point *out = mem_alloc(((size_t)total + 1) * sizeof *out);
    int first = 0, at = (int)total;
    for (int i = 0; i < n; i++) {
        int size = train_steps / n + (i < train_steps % n ? 1 : 0);
        double stride = counts[i] > 1 ? (size - 1.0) / (counts[i] - 1) : 0;
        double place = 0; // summed up, not k*stride: the published lists round that sum
        for (int k = 0; k < counts[i]; k++, place += stride)
            out[--at] = schedule_point(s, first + (int)rint(place));
        first += size;
    }
    *count = (int)total;
    return out;
}

// The number of steps whose lambda is not below the limit: lambda falls with t.
static int
usable_steps(const struct schedule *s, double lambda_min)
{
    int last = schedule_train_steps(s);
    while (lambda_min != 0 && last > 1 && schedule_lambda(s, last - 1) < lambda_min)
        last--;
    return last;
}

// Training timesteps, descending; returns how many. `points` are spaced, and the last `skip`
// omitted.
static int
even_steps(enum spacing spacing, const struct spacing_params *p, int train_steps, int usable,
           int skip, int *out)
{
    int n = p->count, points = n + skip, made = 0;
    switch (spacing) {
    case SPACING_LEADING:
        for (int i = points - 1; i >= skip; i--)
            out[made++] = i * (usable / points) + p->offset;
        break;
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
    case SPACING_NONE:
    case SPACING_KARRAS:
    case SPACING_EXPONENTIAL:
    case SPACING_COUNT:
        unreachable_here();
    }
    return made;
}

static struct sampler_point *
even(const struct schedule *s, const struct spacing_params *p, enum spacing spacing, int skip,
     int *count, struct err *err)
{
    int train_steps = schedule_train_steps(s);
    int usable = p->extra_point ? usable_steps(s, p->lambda_min) : train_steps;
    int *steps = mem_alloc((size_t)p->count * sizeof *steps);
    int made = even_steps(spacing, p, train_steps, usable, skip, steps);
    struct sampler_point *out = mem_alloc(((size_t)made + 1) * sizeof *out);
    for (int i = 0; i < made; i++) {
        if (steps[i] < 0 || steps[i] >= train_steps || (i > 0 && steps[i] >= steps[i - 1])) {
            err_set(err, ERR_INPUT, "%d steps, spacing %s, offset %d do not fit %d timesteps",
                    p->count, spacings[spacing].name, p->offset, usable);
            free(out);
            out = NULL;
            break;
        }
        out[i] = schedule_point(s, steps[i]);
    }
    free(steps);
    *count = made;
    return out;
}

// The value at u in [0,1] on a curve from `most` to `least`.
static double
curve(enum spacing spacing, double most, double least, double u)
{
    if (spacing == SPACING_EXPONENTIAL)
        return exp(log(most) + u * (log(least) - log(most)));
    double from = pow(most, 1 / KARRAS_RHO), to = pow(least, 1 / KARRAS_RHO);
    return pow(from + u * (to - from), KARRAS_RHO);
}

// Between the first and the last step of an even spacing, through sigma/alpha.
static struct sampler_point *
curved(const struct schedule *s, const struct spacing_params *p, int *count, struct err *err)
{
    enum spacing ends = p->ends == SPACING_NONE ? SPACING_TRAILING : p->ends;
    struct sampler_point *out = even(s, p, ends, 0, count, err);
    if (out == NULL)
        return NULL;
    int n = *count;
    double most = out[0].sigma / out[0].alpha, least = out[n - 1].sigma / out[n - 1].alpha;
    for (int i = 0; i < n; i++)
        out[i] = schedule_point_at_ratio(
            s, curve(p->spacing, most, least, n > 1 ? (double)i / (n - 1) : 0));
    return out;
}

// Flow matching: sigma from 1 to 1/count, shifted; the curves are in sigma itself. All even
// spacings are the same.
static struct sampler_point *
straight(const struct schedule *s, const struct spacing_params *p, int *count)
{
    int n = p->count;
    double shift = p->shift == 0 ? 1 : p->shift, least = shift / (n + shift - 1);
    bool bent = p->spacing == SPACING_KARRAS || p->spacing == SPACING_EXPONENTIAL;
    struct sampler_point *out = mem_alloc(((size_t)n + 1) * sizeof *out);
    for (int i = 0; i < n; i++) {
        double sigma = 1 - (double)i / n;
        sigma = shift * sigma / (1 + (shift - 1) * sigma);
        if (bent && n > 1)
            sigma = curve(p->spacing, 1, least, (double)i / (n - 1));
        out[i] = (struct sampler_point){sigma * schedule_train_steps(s), 1 - sigma, sigma};
    }
    *count = n;
    return out;
}

struct sampler_point *
spacing_points(const struct schedule *s, const struct spacing_params *params, int *count,
               struct err *err)
{
    struct sampler_point *out = NULL;
    if (params->sections == NULL &&
        (params->count < 1 || params->count > schedule_train_steps(s))) {
        err_set(err, ERR_INPUT, "the number of steps is 1 to %d, not %d", schedule_train_steps(s),
                params->count);
        return NULL;
    }
    if (params->sections != NULL)
        out = respaced(s, params->sections, count, err);
    else if (schedule_is_flow(s))
        out = straight(s, params, count);
    else if (params->spacing == SPACING_KARRAS || params->spacing == SPACING_EXPONENTIAL)
        out = curved(s, params, count, err);
    else
        out = even(s, params, params->spacing == SPACING_NONE ? SPACING_TRAILING : params->spacing,
                   params->extra_point ? 1 : 0, count, err);
    if (out != NULL)
        out[*count] = schedule_clean();
    return out;
}

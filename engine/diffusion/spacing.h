// SPDX-License-Identifier: MIT
// Spacings: which points of a schedule a sampler visits.
#ifndef LIMN_ENGINE_DIFFUSION_SPACING_H
#define LIMN_ENGINE_DIFFUSION_SPACING_H

#include "engine/base/choice.h"
#include "engine/diffusion/schedule.h"

enum spacing {
    SPACING_NONE = 0,
    SPACING_LEADING,     // 0, r, 2r, …: starts below the noisiest step
    SPACING_TRAILING,    // T-1, T-1-r, …: starts at pure noise
    SPACING_LINSPACE,    // both ends
    SPACING_KARRAS,      // steps of (sigma/alpha)^(1/7) are even (Karras et al. 2022, their 5)
    SPACING_EXPONENTIAL, // ratios of neighbouring sigma/alpha are even
    SPACING_COUNT
};

enum spacing spacing_from_name(const char *name); // SPACING_NONE if unknown
const char *spacing_name(enum spacing s);         // "leading"
// The i-th spacing for people; false: there are no more.
bool spacing_choice(size_t i, struct choice *out);

struct spacing_params {
    int count;            // steps, in [1,T]
    enum spacing spacing; // SPACING_NONE means SPACING_TRAILING
    enum spacing ends;    // karras and exponential: whose first and last step; NONE means trailing
    int offset;           // added to every step of SPACING_LEADING
    // The sampler->extra_point of the sampler that will run: leading and linspace then lay out
    // count+1 points and leave out the last, as DPM-Solver wants it.
    bool extra_point;
    // Steps noisier than this half log-SNR are not used; 0 means no limit. Applies with
    // extra_point only. -5.1 is usual for the cosine schedule. Trailing may then give fewer steps.
    double lambda_min;
    // Flow matching: sigma becomes s*sigma / (1 + (s-1)*sigma), so that larger pictures spend more
    // steps in noise (Esser et al. 2024, 23); exp(mu) in terms of mu. 0 means 1: no shift.
    double shift;
    // Not NULL: respacing as in IF, count and spacing are ignored. Either a list "10,6,4" (the
    // training steps are cut in as many equal sections, each section gets so many steps), or the
    // name of one: "fast27", "smart27", "smart50", "smart100", "smart185", "super27", "super40",
    // "super100". One number is even spacing with both ends.
    const char *sections;
};

// *count points of falling sigma/alpha, then the clean one; freed with free(). NULL if a value is
// out of range (ERR_INPUT).
struct sampler_point *spacing_points(const struct schedule *s, const struct spacing_params *params,
                                     int *count, struct err *err);

#endif

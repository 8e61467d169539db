// SPDX-License-Identifier: MIT
// Guidance: which predictions of the model a step needs, and how they add up.
//
// A model with multi-modal context can be asked four ways. f(text, context) is its prediction (the
// formulas hold for epsilon, v and x_0 alike: the weights of a step sum to 1):
//     FULL       f(text, context)
//     NO_CONTEXT f(text, -)
//     NO_TEXT    f(-, context)
//     UNCOND     f(-, -)
// and, where references were retrieved for words of the text, a fifth:
//     MARKERS    f(text', context), text' with the references in place of those words
//
// none          FULL
// cfg           w*FULL + (1-w)*UNCOND
//               Imagen section 2.1; text and context are dropped together, the first dropout of
//               Instruct-Imagen 3.2.
// oscillating   even steps as cfg with w, odd steps FULL alone
//               Instruct-Imagen A.2.2 ("oscillating": w = 25, and none on alternate steps).
// separate      UNCOND + w*(NO_CONTEXT - UNCOND) + c*(FULL - NO_CONTEXT)
//               w pulls towards the text, c towards the references. The chain goes through
//               "text without context" because that is what training drops (Instruct-Imagen 3.2:
//               both, or only the context); f(-, context) is never trained there. w = c is cfg.
//               Idea: InstructPix2Pix section 3.2 (with its two conditions in the other order).
// interleaved   text steps      w*FULL + (1-w)*NO_TEXT
//               context steps   c*FULL + (1-c)*NO_CONTEXT
//               Re-Imagen's interleaved guidance (arXiv 2209.14491): each step strengthens one
//               condition while the other stays. Even steps are text steps. Needs a model trained
//               with the text dropped alone.
//
// With `by_markers` MARKERS takes from FULL what its weight has above `words`:
//               words*FULL + (w-words)*MARKERS + (1-w)*UNCOND for cfg
//               A chain as in InstructPix2Pix, section 3.2: first the pictures that were found,
//               then what the words add to them. A small model knows a word from many pictures and
//               draws their mean; the picture that was found is one of them.
//
// A weight of 1 is no guidance and costs one evaluation. Pure functions, no state.
#ifndef LIMN_ENGINE_DIFFUSION_GUIDANCE_H
#define LIMN_ENGINE_DIFFUSION_GUIDANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/choice.h"

enum guidance_branch { // index of a branch
    GUIDANCE_FULL = 0,
    GUIDANCE_MARKERS,
    GUIDANCE_NO_CONTEXT,
    GUIDANCE_NO_TEXT,
    GUIDANCE_UNCOND,
    GUIDANCE_BRANCH_COUNT
};

enum guidance_kind {
    GUIDANCE_KIND_NONE = 0, // no guidance
    GUIDANCE_KIND_CFG,
    GUIDANCE_KIND_OSCILLATING,
    GUIDANCE_KIND_SEPARATE,
    GUIDANCE_KIND_INTERLEAVED,
    GUIDANCE_KIND_COUNT
};

struct guidance {
    enum guidance_kind kind;
    double scale;         // w
    double context_scale; // c, for separate and interleaved
    // False when the picture has no references: then FULL is NO_CONTEXT and NO_TEXT is UNCOND, and
    // the plan asks for the cheaper name of each pair: FULL and UNCOND.
    bool has_context;
    bool by_markers; // some references were retrieved; only with has_context
    double words;    // >= 0, with by_markers: the most that FULL weighs
};

// The plan of one step. Branches outside the mask have weight 0 and need not be evaluated; at least
// one is in the mask. The weights sum to 1.
struct guidance_plan {
    unsigned mask; // bit 1u << branch
    int count;     // of branches in the mask
    double weight[GUIDANCE_BRANCH_COUNT];
};

const char *guidance_name(enum guidance_kind kind);            // "oscillating"
bool guidance_choice(size_t i, struct choice *out);            // a choice_fn
enum guidance_kind guidance_from_name(const char *name);       // GUIDANCE_KIND_COUNT if unknown

// step counts from 0.
struct guidance_plan guidance_plan(const struct guidance *g, int step);

// The branches any step in [0,steps) needs, for sizing the batch and encoding conditions once; and,
// where max_count is not NULL, the most that one step needs.
unsigned guidance_mask(const struct guidance *g, int steps, int *max_count);

// out = sum of weight * branch over the mask. branch[b] (pixels,model_channels) f32 for each b in
// the mask, others ignored; out the same shape, may be one of them. The first `channels` of a pixel
// are guided; the rest (variance) are FULL's, or where FULL is not evaluated those of the first
// branch in the mask (as IF keeps the variance of the conditional half).
void guidance_combine(const struct guidance_plan *plan,
                      const float *const branch[GUIDANCE_BRANCH_COUNT], size_t pixels, int channels,
                      int model_channels, float *out);

#endif

// SPDX-License-Identifier: MIT
// A whole drawing of a family that draws any size, compared with the output of another
// implementation.
//
// A golden as in engine/model/model_golden.h, with metadata part "pipeline" and `steps`, `height`,
// `width` in pixels (those of the output where they are missing); tensors `noise` (1,n,C) as
// tokens, `input_ids` and perhaps `attention_mask` (1,T), `references.K` (1,3,H,W) in [-1,1] for K
// from 0 or from 1 on, and the answer `output` (1,3,height,width): as the autoencoder returns it,
// in about [-1,1], or as a picture if all its values lie in [0,1]. Drawn with the scheduler's own
// sampler; with metadata `guidance_scale` guided away from `negative_input_ids` and
// `negative_attention_mask`, else without guidance.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_GOLDEN_H
#define LIMN_ENGINE_DRAW_PIPELINE_GOLDEN_H

#include "engine/model/model_golden.h"

// Whether a golden is for a pipeline; other faults show when it is run.
bool pipeline_golden_is(const char *path);
bool pipeline_golden_run(const struct model_golden_params *params,
                         struct model_golden_result *result, struct err *err);

#endif

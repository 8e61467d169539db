// SPDX-License-Identifier: MIT
// Whether a request is one that a model can draw. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_CHECK_H
#define LIMN_ENGINE_DRAW_PIPELINE_CHECK_H

#include "engine/draw/pipeline.h"

// One sentence for the first fault: ERR_INPUT, or ERR_UNSUPPORTED for what other models could do.
bool pipeline_check(const struct pipeline_info *i, const struct pipeline_request *r,
                    struct err *err);

#endif

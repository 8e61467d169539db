// SPDX-License-Identifier: MIT
// Whether a request is one that a model can draw, and at what size. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_CHECK_H
#define LIMN_ENGINE_DRAW_PIPELINE_CHECK_H

#include "engine/draw/pipeline.h"
#include "engine/families/family.h"

// One sentence for the first fault: ERR_INPUT, or ERR_UNSUPPORTED for what other models could do.
bool pipeline_check(const struct pipeline_info *i, const struct pipeline_request *r,
                    struct err *err);

// Of the picture that is drawn: as was asked for, as what it starts from, as its first reference,
// or the model's own. Of a request that was checked.
struct picture_size pipeline_picture_size(const struct pipeline_info *i,
                                          const struct pipeline_request *r);

#endif

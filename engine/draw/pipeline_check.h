// SPDX-License-Identifier: MIT
// Checks that a model can draw a request, and finds at what size. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_CHECK_H
#define LIMN_ENGINE_DRAW_PIPELINE_CHECK_H

#include "engine/draw/pipeline.h"
#include "engine/families/family.h"

// The first fault: ERR_INPUT, or ERR_UNSUPPORTED for what other models could do.
bool pipeline_check(const struct pipeline_info *i, const struct pipeline_request *r,
                    struct err *err);

// The size of the picture that is drawn: as asked for, or that of the picture it starts from, of
// its first reference, or the model's own. For a request that was checked.
struct picture_size pipeline_picture_size(const struct pipeline_info *i,
                                          const struct pipeline_request *r);

#endif

// SPDX-License-Identifier: MIT
// The background of a transparent picture: the parameter `background` of a drawing.
#ifndef LIMN_APP_WORKER_GROUND_H
#define LIMN_APP_WORKER_GROUND_H

#include "app/job/job.h"
#include "engine/draw/pipeline.h"
#include "renderer/image/image.h"

// Pictures first..first+count-1 of `from`, stacked vertically in one image: composed on the job's
// background, or left transparent (RGBA8) if it names none. Pictures without alpha are unchanged.
// ERR_MEMORY.
struct image *ground_compose(const struct job *j, const struct pipeline_pictures *from, int first,
                             int count, struct err *err);

#endif

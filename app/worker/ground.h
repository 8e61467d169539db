// SPDX-License-Identifier: MIT
// What a transparent picture lies on: the parameter `background` of a drawing.
#ifndef LIMN_APP_WORKER_GROUND_H
#define LIMN_APP_WORKER_GROUND_H

#include "app/job/job.h"
#include "engine/draw/pipeline.h"
#include "renderer/image/image.h"

// Pictures first..first+count-1 of `from` below one another: laid on the job's background, or
// transparent (RGBA8) where it names none. Those without alpha are as they are. ERR_MEMORY.
struct image *ground_lay(const struct job *j, const struct pipeline_pictures *from, int first,
                         int count, struct err *err);

#endif

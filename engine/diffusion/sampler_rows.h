// SPDX-License-Identifier: MIT
// Declares all samplers, for the table in sampler.c. Other code uses sampler_find().
#ifndef LIMN_ENGINE_DIFFUSION_SAMPLER_ROWS_H
#define LIMN_ENGINE_DIFFUSION_SAMPLER_ROWS_H

#include "engine/diffusion/sampler.h"

#define SAMPLER(stem) extern const struct sampler sampler_##stem;
#include "engine/diffusion/samplers.def"
#undef SAMPLER

#endif

// SPDX-License-Identifier: MIT
// Adapters of low rank (params_adapt()) once they are trained.
#ifndef LIMN_ENGINE_TRAIN_ADAPTERS_H
#define LIMN_ENGINE_TRAIN_ADAPTERS_H

#include "engine/nn/params.h"

// Those of the part whose names start with `prefix`, as diffusers and PEFT write a LoRA, in f32:
// "unet.NAME.lora_A.weight" (rank,in) or (rank,in,k,k), "unet.NAME.lora_B.weight" (out,rank) or
// (out,rank,1,1). Whole or not at all. ERR_IO, ERR_MEMORY.
bool adapters_save(const struct params *p, const char *prefix, struct buffer *block,
                   const char *path, struct err *err);

// W becomes W + B A, in the block. All of it is f32.
bool adapters_merge(const struct params *p, struct buffer *block, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// What becomes of trained low-rank adapters (params_adapt()): a LoRA file, or merged weights.
#ifndef LIMN_ENGINE_TRAIN_ADAPTERS_H
#define LIMN_ENGINE_TRAIN_ADAPTERS_H

#include "engine/nn/params.h"

// Writes the adapters of the parameters whose names start with `prefix`, in f32, named as diffusers
// and PEFT name those of a LoRA: "unet.NAME.lora_A.weight" (rank,in) or (rank,in,k,k),
// "unet.NAME.lora_B.weight" (out,rank) or (out,rank,1,1). The file is written whole or not at all.
// ERR_IO, ERR_MEMORY.
bool adapters_save(const struct params *p, const char *prefix, struct buffer *block,
                   const char *path, struct err *err);

// Replaces each adapted W in the block by W + B A. The whole block is f32.
bool adapters_merge(const struct params *p, struct buffer *block, struct err *err);

#endif

// SPDX-License-Identifier: MIT
// Low-rank changes of a model's weights (LoRA, Hu et al. 2022): W + weight * alpha/rank * B A, with
// A (rank, in) and B (out, rank), of convolutions A (rank, in, k, k) and B (out, rank, 1, 1), added
// in f32 while W is loaded. Files come in three dialects:
//
//     transformer.transformer_blocks.0.attn.to_q.lora_A.weight       diffusers and PEFT (unet. of
//                                                                   U-Nets); alpha in
//                                                                   the metadata, or = rank
//     diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight    ai-toolkit, ComfyUI; no alpha
//     lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight       kohya, musubi; .alpha
//
// Modules are found by every name that files may give a parameter (struct net, `place`), so that a
// change of a fused projection reaches its parts.
#ifndef LIMN_ENGINE_MODEL_LORA_H
#define LIMN_ENGINE_MODEL_LORA_H

#include "engine/nets/net.h"

struct lora_file {
    const char *path;
    double weight; // 1: as it was trained
};

struct lora;

// Reads the files for one part, whose parameters are declared in `params`. A line of the log says
// how many of each file's modules fit, and names those that the part has not. ERR_INPUT: a file is
// none, is of another kind (LoKr, LoHa, DoRA), of a model of another size, or none of it fits.
struct lora *lora_open(const struct lora_file *files, int count, const struct part *part,
                       const struct params *params, struct err *err);
void lora_close(struct lora *l); // NULL is fine
// For params_load(); valid until lora_close().
const struct params_change *lora_change(const struct lora *l);

#endif

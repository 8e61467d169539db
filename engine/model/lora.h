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
// Modules are looked up under every name that files may use for a parameter (`place` of struct
// net), so a change to a fused projection reaches all its parts.
#ifndef LIMN_ENGINE_MODEL_LORA_H
#define LIMN_ENGINE_MODEL_LORA_H

#include "engine/nets/net.h"

struct lora_file {
    const char *path;
    double weight; // 1: as trained
};

struct lora;

// Reads the files for one part, whose parameters are declared in `params`. The log says how many of
// each file's modules are used, and names those that the part does not have. ERR_INPUT: not a LoRA,
// another kind (LoKr, LoHa, DoRA), made for a model of another size, or nothing in it is used.
struct lora *lora_open(const struct lora_file *files, int count, const struct part *part,
                       const struct params *params, struct err *err);
void lora_close(struct lora *l); // NULL is fine
// For params_load(); valid until lora_close().
const struct params_change *lora_change(const struct lora *l);

#endif

// SPDX-License-Identifier: MIT
// A part of a model, compared with the output of another implementation.
//
// A golden is a safetensors file: metadata `part` names the folder ("unet", "text_encoder"), of an
// autoencoder with what it does ("vae_encoder", "vae_decoder"); tensors are named as diffusers and
// transformers name the arguments, and each kind of network says which it needs (struct net,
// `golden`): a U-Net `sample` (N,C,H,W), `timestep` (N) or one for all, `encoder_hidden_states`
// (N,T,D), and `class_labels` where it takes them; a text encoder `input_ids` (N,T). The answer is
// `output`. A golden may also hold `attention_mask` (N,T) and the answer under it,
// `output_masked`; `output` is without a mask then, but for networks that are never run without
// (struct net, `masked`). Other tensors are ignored. Numbers may be of any type, ids of any whole
// one; the batch of one may be left out, or be there once more. Positions that all samples share
// may be there for each: the first sample's count, as in the reference. An answer in f16 or bf16 is
// compared with ours rounded to it.
#ifndef LIMN_ENGINE_MODEL_MODEL_GOLDEN_H
#define LIMN_ENGINE_MODEL_MODEL_GOLDEN_H

#include "engine/model/model_folder.h"

struct model_golden_params {
    const struct model_folder *folder;
    const char *golden; // file
    struct device *device;
    enum dtype dtype;   // DTYPE_NONE: f32
    bool plain;         // only plain kernels (struct plan_params)
};

struct model_golden_result {
    const char *part;      // of the folder: "unet"
    double relative_error; // |a-b| / |b| over all elements, the worse of the answers in the file
    double seconds;        // of the run alone
    struct plan_stats stats;
};

bool model_golden_run(const struct model_golden_params *params, struct model_golden_result *result,
                      struct err *err);

// For other readers of goldens: parses a whole number of the metadata, 0 if it is not one; rounds n
// values to the type a golden is stored in; reads the first n ids of a tensor, ERR_INPUT with the
// file's name if one is not a 32-bit integer.
int64_t model_golden_number(const char *text);
void model_golden_round(enum dtype type, float *values, int64_t n);
bool model_golden_ids(const struct tensor_view *t, int64_t n, int32_t *to, const char *golden,
                      struct err *err);

#endif
